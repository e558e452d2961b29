-- Signals and alerts.

CREATE TABLE IF NOT EXISTS riposte.signals
(
    tenant        LowCardinality(String)    COMMENT 'who owns the data',
    rule          LowCardinality(String)    COMMENT 'detection id, stable over revisions',
    step          LowCardinality(String)    COMMENT 'correlation that consumes it, empty = the alert of the detection itself',
    signal_id     UUID                      COMMENT 'hash(event_id, rule, step)' CODEC(NONE),
    event_id      UUID                      COMMENT 'the event that matched' CODEC(NONE),
    source        LowCardinality(String)    COMMENT 'source of the event',
    class         UInt32                    COMMENT 'OCSF class_uid of the event',
    severity      UInt8                     COMMENT 'OCSF severity_id of the rule',
    title         LowCardinality(String)    COMMENT 'title of the rule',
    tactics       Array(LowCardinality(String)) COMMENT 'ATT&CK tactic ids',
    techniques    Array(LowCardinality(String)) COMMENT 'ATT&CK technique ids',
    group_key     String                    COMMENT 'values of the group-by fields, joined by U+001F' CODEC(ZSTD(1)),
    entities      Array(Tuple(kind LowCardinality(String), value String)) COMMENT 'entities of the match, e:1 first' CODEC(ZSTD(1)),
    flags         Array(LowCardinality(String)) COMMENT 'closed enum: demo, late, clock_skew, ...',
    demo          Bool ALIAS has(flags, 'demo') COMMENT 'sample traffic of riposte itself',
    at            DateTime64(3, 'UTC')      COMMENT 'event time' CODEC(Delta, ZSTD(1)),
    ingested      DateTime64(3, 'UTC')      COMMENT 'broker append on raw.<source>' CODEC(Delta, ZSTD(1)),
    normalised    DateTime64(3, 'UTC')      COMMENT 'broker append on signals' CODEC(Delta, ZSTD(1)),
    topic         LowCardinality(String)    COMMENT 'record this row came from',
    partition     Int32                     COMMENT 'record this row came from' CODEC(ZSTD(1)),
    offset        Int64                     COMMENT 'record this row came from' CODEC(Delta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(at)
ORDER BY (tenant, rule, at, signal_id)
TTL toDateTime(at) + INTERVAL 180 DAY DELETE
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;

-- An episode may grow: each growth is a new revision, and a row of its own here.
CREATE TABLE IF NOT EXISTS riposte.alert_log
(
    tenant        LowCardinality(String)    COMMENT 'who owns the data',
    rule          LowCardinality(String)    COMMENT 'detection or correlation id',
    kind          LowCardinality(String)    COMMENT 'single, threshold, distinct, sequence, absence, first_seen, risk, aggregate',
    alert_id      UUID                      COMMENT 'hash(tenant, rule, group key, first signal)',
    revision      UInt64                    COMMENT 'growth of the episode, from 1',
    severity      UInt8                     COMMENT 'OCSF severity_id',
    title         String                    COMMENT 'for people' CODEC(ZSTD(1)),
    tactics       Array(LowCardinality(String)) COMMENT 'ATT&CK tactic ids',
    techniques    Array(LowCardinality(String)) COMMENT 'ATT&CK technique ids',
    sources       Array(LowCardinality(String)) COMMENT 'sources of its evidence, first first',
    group_key     String                    COMMENT 'values of the group-by fields, joined by U+001F' CODEC(ZSTD(1)),
    incident_group String                   COMMENT 'kind:value of the entity that incidents group by; the fact of the same topic, partition and offset has it too' CODEC(ZSTD(1)),
    entities      Array(Tuple(kind LowCardinality(String), value String)) COMMENT 'entities, e:1 first' CODEC(ZSTD(1)),
    signals       UInt32                    COMMENT 'signals folded so far',
    evidence      Array(UUID)               COMMENT 'signal ids, first 64' CODEC(ZSTD(1)),
    trigger       UUID                      COMMENT 'signal that completed the condition' CODEC(NONE),
    event_id      UUID                      COMMENT 'event of that signal' CODEC(NONE),
    risk          Float32                   COMMENT 'points, 0 where the rule has none',
    fate          LowCardinality(String)    COMMENT 'incident, silenced, inhibited, folded, budget: nothing is dropped in silence',
    flags         Array(LowCardinality(String)) COMMENT 'demo, late, clock_skew, ...',
    demo          Bool ALIAS has(flags, 'demo') COMMENT 'sample traffic of riposte itself',
    occurred      DateTime64(3, 'UTC')      COMMENT '1 event time of the first evidence',
    triggered     DateTime64(3, 'UTC')      COMMENT 'event time of the event that completed the condition',
    ingested      DateTime64(3, 'UTC')      COMMENT '2 broker append of the triggering event on raw.<source>',
    normalised    Nullable(DateTime64(3, 'UTC')) COMMENT '3 broker append of the triggering signal on signals; NULL = the record did not say',
    at            DateTime64(3, 'UTC')      COMMENT 'broker append of this revision on facts; of revision 1 it is the time of detection',
    topic         LowCardinality(String)    COMMENT 'record this row came from',
    partition     Int32                     COMMENT 'record this row came from',
    offset        Int64                     COMMENT 'record this row came from'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (tenant, rule, at, alert_id, revision)
TTL toDateTime(at) + INTERVAL 2 YEAR DELETE
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;

-- The last revision of each alert. Not partitioned: a partition that moves with the time of the
-- last revision would keep two of them.
CREATE TABLE IF NOT EXISTS riposte.alert_state AS riposte.alert_log
ENGINE = ReplacingMergeTree(revision)
PARTITION BY tuple()
ORDER BY (tenant, alert_id)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS riposte.alert_state_mv TO riposte.alert_state AS
SELECT * FROM riposte.alert_log;

-- The times of the first revision: when the condition was met and when that was told. A later
-- revision is about a later event, and its times would make every long episode look slow.
CREATE TABLE IF NOT EXISTS riposte.alert_first
(
    tenant        LowCardinality(String)    COMMENT 'who owns the data',
    alert_id      UUID                      COMMENT 'the alert',
    occurred      DateTime64(3, 'UTC')      COMMENT '1 event time of the first evidence',
    triggered     DateTime64(3, 'UTC')      COMMENT 'event time of the event that completed the condition',
    ingested      DateTime64(3, 'UTC')      COMMENT '2 broker append of that event on raw.<source>',
    normalised    Nullable(DateTime64(3, 'UTC')) COMMENT '3 broker append of its signal on signals; NULL = the record did not say',
    detected      DateTime64(3, 'UTC')      COMMENT '4 broker append of the alert on facts'
)
ENGINE = ReplacingMergeTree
ORDER BY (tenant, alert_id)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS riposte.alert_first_mv TO riposte.alert_first AS
SELECT tenant, alert_id, occurred, triggered, ingested, normalised, at AS detected
FROM riposte.alert_log WHERE revision = 1;

-- Alerts as they are now, with the times of their first revision.
CREATE VIEW IF NOT EXISTS riposte.alerts AS
SELECT
    s.tenant AS tenant, s.rule AS rule, s.kind AS kind, s.alert_id AS alert_id, s.revision AS revision, s.severity AS severity,
    s.title AS title, s.tactics AS tactics, s.techniques AS techniques, s.sources AS sources, s.group_key AS group_key,
    s.incident_group AS incident_group, s.entities AS entities, s.signals AS signals, s.evidence AS evidence, s.risk AS risk,
    s.fate AS fate, s.flags AS flags, has(s.flags, 'demo') AS demo,
    f.occurred AS occurred, f.triggered AS triggered, f.ingested AS ingested, f.normalised AS normalised, f.detected AS detected,
    s.at AS updated
FROM riposte.alert_state AS s FINAL
INNER JOIN (SELECT * FROM riposte.alert_first FINAL) AS f ON s.tenant = f.tenant AND s.alert_id = f.alert_id;

-- Where the time to detect goes, per alert, seconds: the four parts add up to detected - occurred.
CREATE VIEW IF NOT EXISTS riposte.alert_times AS
SELECT
    tenant, alert_id, rule, sources[1] AS source, severity, detected, has(flags, 'late') AS late, has(flags, 'clock_skew') AS skewed, demo,
    detected < occurred AS negative,
    greatest(dateDiff('millisecond', occurred, detected), 0) / 1000 AS ttd,
    dateDiff('millisecond', occurred, triggered) / 1000 AS window,
    dateDiff('millisecond', triggered, ingested) / 1000 AS source_lag,
    dateDiff('millisecond', ingested, normalised) / 1000 AS queue,
    dateDiff('millisecond', normalised, detected) / 1000 AS engine
FROM riposte.alerts;

CREATE TABLE IF NOT EXISTS riposte.rule_day
(
    tenant        LowCardinality(String)    COMMENT 'who owns the data',
    rule          LowCardinality(String)    COMMENT 'rule id',
    day           Date                      COMMENT 'detected, day',
    demo          Bool                      COMMENT 'sample traffic of riposte itself',
    alerts        SimpleAggregateFunction(sum, UInt64) COMMENT 'episodes',
    late          SimpleAggregateFunction(sum, UInt64) COMMENT 'episodes with late evidence',
    ttd           AggregateFunction(quantilesTDigest(0.5, 0.9, 0.99), Float32) COMMENT 'detected - occurred, seconds, >= 0',
    ttd_sum       SimpleAggregateFunction(sum, Float64) COMMENT 'for the mean, seconds'
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (tenant, rule, day, demo)
SETTINGS non_replicated_deduplication_window = 10000;

-- Only revision 1: an episode counts once, and its time to detect is that of its first alert.
CREATE MATERIALIZED VIEW IF NOT EXISTS riposte.rule_day_mv TO riposte.rule_day AS
SELECT tenant, rule, toDate(at) AS day, has(flags, 'demo') AS demo, count() AS alerts, countIf(has(flags, 'late')) AS late,
       quantilesTDigestState(0.5, 0.9, 0.99)(toFloat32(greatest(dateDiff('millisecond', occurred, at), 0) / 1000)) AS ttd,
       sum(greatest(dateDiff('millisecond', occurred, at), 0) / 1000) AS ttd_sum
FROM riposte.alert_log WHERE revision = 1 GROUP BY tenant, rule, day, demo;
