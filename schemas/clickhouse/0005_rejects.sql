-- Input that could not be processed.

CREATE TABLE IF NOT EXISTS riposte.rejects
(
    tenant        LowCardinality(String)    COMMENT 'empty if it could not be told',
    source        LowCardinality(String)    COMMENT '<source> of raw.<source>, empty where the record lay on another topic',
    stage         LowCardinality(String)    COMMENT 'ingest, correlate, decide, respond, record',
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
