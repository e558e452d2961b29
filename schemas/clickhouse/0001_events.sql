-- Events: typed hot columns plus a Map of the rest, and what is kept up to date from them.
--
-- Conventions of all files here: upper-case keywords, one column a line, COMMENT = meaning,
-- unit, source (it must stand before CODEC). Times are UTC milliseconds. Every table of records
-- ends in (topic, partition, offset): its rows equal the committed records. Blocks are inserted
-- with insert_deduplication_token and deduplicate_blocks_in_dependent_materialized_views = 1,
-- and every table that receives them, targets of views too, has a deduplication window: without
-- one the token is ignored.
--
-- A vendor field that is asked for often can be promoted to a column of its own:
--   ALTER TABLE riposte.events ADD COLUMN v_access LowCardinality(String) MATERIALIZED attrs['GrantedAccess'];
--   ALTER TABLE riposte.events MATERIALIZE COLUMN v_access;

CREATE TABLE IF NOT EXISTS riposte.events
(
    tenant        LowCardinality(String)                    COMMENT 'who owns the data',
    source        LowCardinality(String)                    COMMENT 'raw.<source> topic it came from',
    class         UInt32                      COMMENT 'OCSF class_uid' CODEC(ZSTD(1)),
    activity      UInt8                       COMMENT 'OCSF activity_id' CODEC(ZSTD(1)),
    severity      UInt8                       COMMENT 'OCSF severity_id of the source, not our priority' CODEC(ZSTD(1)),
    at            DateTime64(3, 'UTC')        COMMENT 'event time, clamped to [broker - 7 d, broker + 5 min]' CODEC(Delta, ZSTD(1)),
    ingested      DateTime64(3, 'UTC')        COMMENT 'broker append time on raw.<source>' CODEC(Delta, ZSTD(1)),
    normalised    DateTime64(3, 'UTC')        COMMENT 'broker append time on events' CODEC(Delta, ZSTD(1)),
    event_id      UUID                        COMMENT 'hash(tenant, source, vendor id) or hash(topic, partition, offset)' CODEC(NONE),
    flags         Array(LowCardinality(String))    COMMENT 'closed enum: demo, late, clock_skew, truncated, invalid_utf8, duplicate_keys, suspicious_unicode' CODEC(ZSTD(1)),
    demo          Bool ALIAS has(flags, 'demo') COMMENT 'sample traffic of riposte itself',
    host          String                      COMMENT 'device.hostname, lower case' CODEC(ZSTD(1)),
    user          String                      COMMENT 'actor.user.name, else user.name' CODEC(ZSTD(1)),
    src_ip        IPv6                        COMMENT 'src_endpoint.ip, :: = absent; IPv4 as ::ffff:a.b.c.d' CODEC(ZSTD(1)),
    dst_ip        IPv6                        COMMENT 'dst_endpoint.ip' CODEC(ZSTD(1)),
    src_port      UInt16                      COMMENT 'src_endpoint.port, 0 = absent' CODEC(ZSTD(1)),
    dst_port      UInt16                      COMMENT 'dst_endpoint.port' CODEC(ZSTD(1)),
    process       LowCardinality(String)                    COMMENT 'process.name',
    process_path  String                      COMMENT 'process.file.path' CODEC(ZSTD(1)),
    cmdline       String                      COMMENT 'process.cmd_line' CODEC(ZSTD(1)),
    parent        String                      COMMENT 'process.parent_process.file.path' CODEC(ZSTD(1)),
    pid           UInt32                      COMMENT 'process.pid' CODEC(ZSTD(1)),
    file_path     String                      COMMENT 'file.path, else reg_key.path, else module.file.path' CODEC(ZSTD(1)),
    sha256        String                      COMMENT 'file.hashes.sha256, else process.file.hashes.sha256, else module.file.hashes.sha256, lower-case hex' CODEC(ZSTD(1)),
    domain        String                      COMMENT 'query.hostname, else tls.sni, else http_request.url.hostname' CODEC(ZSTD(1)),
    url           String                      COMMENT 'http_request.url.url_string' CODEC(ZSTD(1)),
    action        LowCardinality(String)                    COMMENT 'disposition: what the source did: allowed, blocked, ...',
    outcome       LowCardinality(String)                    COMMENT 'status: success, failure, ...',
    region        LowCardinality(String)                    COMMENT 'cloud.region',
    account       LowCardinality(String)                    COMMENT 'cloud.account.uid',
    api           LowCardinality(String)                    COMMENT 'api.operation',
    user_agent    String                      COMMENT 'http_request.user_agent' CODEC(ZSTD(1)),
    vendor_rule   String                      COMMENT 'finding_info.title: title or signature of the source' CODEC(ZSTD(1)),
    attrs         Map(LowCardinality(String), String) COMMENT 'everything else as text: OCSF path of a normalised field without a column, else vendor path as it came, dotted' CODEC(ZSTD(1)),
    raw_partition Int32                       COMMENT 'partition on raw.<source>' CODEC(ZSTD(1)),
    raw_offset    Int64                       COMMENT 'offset on raw.<source>; the raw bytes are there' CODEC(Delta, ZSTD(1)),
    topic         LowCardinality(String)                    COMMENT 'record this row came from (events)',
    partition     Int32                       COMMENT 'record this row came from' CODEC(ZSTD(1)),
    offset        Int64                       COMMENT 'record this row came from' CODEC(Delta, ZSTD(1)),
    INDEX i_src    src_ip  TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX i_dst    dst_ip  TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX i_sha    sha256  TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX i_domain domain  TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX i_user   user    TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX i_id     event_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX i_attr   mapValues(attrs) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX i_raw    raw_offset TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(at)
ORDER BY (tenant, toStartOfHour(at), source, host, at)
TTL toDateTime(at) + INTERVAL 90 DAY DELETE
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;

-- Was this indicator ever seen? A point look-up by primary key, whatever the retention of events.
CREATE TABLE IF NOT EXISTS riposte.sightings
(
    tenant        LowCardinality(String)    COMMENT 'who owns the data',
    kind          LowCardinality(String)    COMMENT 'ip, domain, sha256, user, host, url, mail',
    value         String                    COMMENT 'canonical text: lower case, IPv6 without brackets' CODEC(ZSTD(1)),
    day           Date                      COMMENT 'event time, day' CODEC(ZSTD(1)),
    demo          Bool                      COMMENT 'sample traffic of riposte itself',
    sources       SimpleAggregateFunction(groupUniqArrayArray, Array(String)) COMMENT 'where it was seen',
    first_at      SimpleAggregateFunction(min, DateTime64(3, 'UTC')) COMMENT 'first event of the day' CODEC(ZSTD(1)),
    last_at       SimpleAggregateFunction(max, DateTime64(3, 'UTC')) COMMENT 'last event of the day' CODEC(ZSTD(1)),
    events        SimpleAggregateFunction(sum, UInt64) COMMENT 'events of the day' CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (tenant, kind, value, day, demo)
TTL day + INTERVAL 400 DAY DELETE
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS riposte.sightings_mv TO riposte.sightings AS
SELECT e.tenant AS tenant, x.1 AS kind, x.2 AS value, toDate(e.at) AS day, has(e.flags, 'demo') AS demo,
       groupUniqArray(toString(e.source)) AS sources, min(e.at) AS first_at, max(e.at) AS last_at, count() AS events
FROM riposte.events AS e
ARRAY JOIN arrayFilter(y -> y.2 != '', [
    ('ip',     if(src_ip = toIPv6('::'), '', replaceOne(IPv6NumToString(src_ip), '::ffff:', ''))),
    ('ip',     if(dst_ip = toIPv6('::') OR dst_ip = src_ip, '', replaceOne(IPv6NumToString(dst_ip), '::ffff:', ''))),
    ('domain', lower(domain)), ('sha256', lower(sha256)), ('user', lower(user)), ('host', lower(host))]) AS x
GROUP BY tenant, kind, value, day, demo;

-- Dashboards over months read this, not events. It also tells which source fell silent.
CREATE TABLE IF NOT EXISTS riposte.events_hour
(
    tenant        LowCardinality(String)    COMMENT 'who owns the data',
    source        LowCardinality(String)    COMMENT 'raw.<source>',
    class         UInt32                    COMMENT 'OCSF class_uid',
    hour          DateTime('UTC')           COMMENT 'event time',
    demo          Bool                      COMMENT 'sample traffic of riposte itself',
    events        SimpleAggregateFunction(sum, UInt64) COMMENT 'events',
    last_ingested SimpleAggregateFunction(max, DateTime64(3, 'UTC')) COMMENT 'newest broker append on raw.<source>: silent since then',
    hosts         AggregateFunction(uniqCombined(12), String) COMMENT 'distinct hosts',
    users         AggregateFunction(uniqCombined(12), String) COMMENT 'distinct users',
    delay         AggregateFunction(quantilesTDigest(0.5, 0.9, 0.99), Float32) COMMENT 'ingested - at, seconds'
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(hour)
ORDER BY (tenant, source, class, hour, demo)
TTL hour + INTERVAL 2 YEAR DELETE
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS riposte.events_hour_mv TO riposte.events_hour AS
SELECT tenant, source, class, toStartOfHour(toDateTime(at, 'UTC')) AS hour, has(flags, 'demo') AS demo, count() AS events,
       max(ingested) AS last_ingested, uniqCombinedState(12)(host) AS hosts, uniqCombinedState(12)(user) AS users,
       quantilesTDigestState(0.5, 0.9, 0.99)(toFloat32(dateDiff('millisecond', at, ingested) / 1000)) AS delay
FROM riposte.events GROUP BY tenant, source, class, hour, demo;
