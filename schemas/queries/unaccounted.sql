-- title: Transactions of ingest whose records are not all live, duplicate or rejected: there must be none
-- unit: records
-- empty: every record is accounted for
-- columns: in_topic LowCardinality(String), in_partition Int32, from_offset Int64, to_offset Int64, records UInt64, live UInt64, duplicate UInt64, rejected UInt64
SELECT
    in_topic,
    in_partition,
    from_offset,
    to_offset,
    records,
    live,
    duplicate,
    rejected
FROM riposte.ledger
WHERE stage = 'ingest' AND records != live + duplicate + rejected
ORDER BY in_topic, in_partition, from_offset;
