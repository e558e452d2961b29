-- title: What became of every record that was read: in = live + duplicate + rejected
-- unit: records
-- empty: nothing was read yet
-- columns: source LowCardinality(String), records UInt64, live UInt64, duplicate UInt64, rejected UInt64, late UInt64, skewed UInt64
SELECT
    source,
    sum(l.records) AS records,
    sum(l.live) AS live,
    sum(l.duplicate) AS duplicate,
    sum(l.rejected) AS rejected,
    sum(l.late) AS late,
    sum(l.skewed) AS skewed
FROM riposte.ledger AS l
WHERE stage = 'ingest'
GROUP BY source
ORDER BY source;
