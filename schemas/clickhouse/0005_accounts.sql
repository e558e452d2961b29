-- Where every input record went: rejects, and the accounts of the stages.

-- Input that could not be processed.
CREATE TABLE IF NOT EXISTS riposte.rejects
(
    tenant        LowCardinality(String)    COMMENT 'empty if it could not be told',
    source        LowCardinality(String)    COMMENT '<source> of raw.<source>, empty where the record lay on another topic',
    stage         LowCardinality(String)    COMMENT 'ingest, correlate, decide, respond; record: one of our own records that could not be made a row',
    reason        LowCardinality(String)    COMMENT 'closed enum',
    detail        String                    COMMENT 'error text' CODEC(ZSTD(3)),
    bytes         UInt32                    COMMENT 'size of the record',
    sample        String                    COMMENT 'first 4,096 bytes; the whole lies on rejects' CODEC(ZSTD(3)),
    flags         Array(LowCardinality(String)) COMMENT 'closed enum: demo, late, clock_skew, ...',
    demo          Bool ALIAS has(flags, 'demo') COMMENT 'sample traffic of riposte itself',
    at            DateTime64(3, 'UTC')      COMMENT 'broker append of the rejected record',
    in_topic      LowCardinality(String)    COMMENT 'the rejected record: topic it lay on',
    in_partition  Int32                     COMMENT 'the rejected record',
    in_offset     Int64                     COMMENT 'the rejected record',
    rejected      DateTime64(3, 'UTC')      COMMENT 'broker append on rejects',
    topic         LowCardinality(String)    COMMENT 'record this row came from',
    partition     Int32                     COMMENT 'record this row came from',
    offset        Int64                     COMMENT 'record this row came from'
)
ENGINE = MergeTree
PARTITION BY toDate(at)
ORDER BY (source, stage, reason, at)
TTL toDateTime(at) + INTERVAL 30 DAY DELETE
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;

-- One row per transaction and input partition, committed with the outputs that it accounts for.
-- For the stage ingest records = live + duplicate + rejected, always.
CREATE TABLE IF NOT EXISTS riposte.ledger
(
    tenant        LowCardinality(String)    COMMENT 'of the partition; empty where one has records of many',
    stage         LowCardinality(String)    COMMENT 'ingest, correlate, decide, respond',
    source        LowCardinality(String)    COMMENT '<source> of raw.<source>, empty where the input is another topic',
    in_topic      LowCardinality(String)    COMMENT 'input: topic',
    in_partition  Int32                     COMMENT 'input: partition',
    from_offset   Int64                     COMMENT 'first offset read' CODEC(Delta, ZSTD(1)),
    to_offset     Int64                     COMMENT 'one past the last offset read' CODEC(Delta, ZSTD(1)),
    records       UInt64                    COMMENT 'records read' CODEC(ZSTD(1)),
    bytes         UInt64                    COMMENT 'bytes read' CODEC(ZSTD(1)),
    live          UInt64                    COMMENT 'went on' CODEC(ZSTD(1)),
    duplicate     UInt64                    COMMENT 'of a first event' CODEC(ZSTD(1)),
    rejected      UInt64                    COMMENT 'went to rejects' CODEC(ZSTD(1)),
    late          UInt64                    COMMENT 'of the live ones: arrived behind the watermark' CODEC(ZSTD(1)),
    skewed        UInt64                    COMMENT 'of the live ones: the source clock was not believed' CODEC(ZSTD(1)),
    first_at      Nullable(DateTime64(3, 'UTC')) COMMENT 'lowest event time of the live ones',
    last_at       Nullable(DateTime64(3, 'UTC')) COMMENT 'highest event time of the live ones',
    lag_ms        Int64                     COMMENT 'at - append time of the oldest record read, ms' CODEC(ZSTD(1)),
    at            DateTime64(3, 'UTC')      COMMENT 'broker append on ledger' CODEC(Delta, ZSTD(1)),
    topic         LowCardinality(String)    COMMENT 'record this row came from',
    partition     Int32                     COMMENT 'record this row came from',
    offset        Int64                     COMMENT 'record this row came from'
)
ENGINE = MergeTree
PARTITION BY toDate(at)
ORDER BY (in_topic, in_partition, stage, from_offset)
TTL toDateTime(at) + INTERVAL 90 DAY DELETE
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;

-- What each source gave, and when it last did.
CREATE TABLE IF NOT EXISTS riposte.sources
(
    source        LowCardinality(String)    COMMENT '<source> of raw.<source>',
    records       SimpleAggregateFunction(sum, UInt64) COMMENT 'all time',
    live          SimpleAggregateFunction(sum, UInt64) COMMENT 'all time',
    duplicate     SimpleAggregateFunction(sum, UInt64) COMMENT 'all time',
    rejected      SimpleAggregateFunction(sum, UInt64) COMMENT 'all time',
    first_at      SimpleAggregateFunction(min, Nullable(DateTime64(3, 'UTC'))) COMMENT 'lowest event time seen',
    last_at       SimpleAggregateFunction(max, Nullable(DateTime64(3, 'UTC'))) COMMENT 'highest event time seen',
    last_commit   SimpleAggregateFunction(max, DateTime64(3, 'UTC')) COMMENT 'silent since this'
)
ENGINE = AggregatingMergeTree
ORDER BY source
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS riposte.sources_mv TO riposte.sources AS
SELECT source, sum(l.records) AS records, sum(l.live) AS live, sum(l.duplicate) AS duplicate, sum(l.rejected) AS rejected,
       min(l.first_at) AS first_at, max(l.last_at) AS last_at, max(l.at) AS last_commit
FROM riposte.ledger AS l WHERE stage = 'ingest' GROUP BY source;
