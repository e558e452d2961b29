-- title: Sources: how much, what became of it, and since when silent
-- unit: records; seconds
-- empty: nothing was ever received
-- params: asof String
-- columns: source LowCardinality(String), records UInt64, live UInt64, duplicate UInt64, rejected UInt64, last_commit DateTime64(3, 'UTC'), silent_for Float64
SELECT
    source,
    sum(s.records) AS records,
    sum(s.live) AS live,
    sum(s.duplicate) AS duplicate,
    sum(s.rejected) AS rejected,
    CAST(max(s.last_commit) AS DateTime64(3, 'UTC')) AS last_commit,
    dateDiff('millisecond', last_commit, toDateTime64({asof:String}, 3, 'UTC')) / 1000 AS silent_for
FROM riposte.sources AS s
GROUP BY source
ORDER BY source;
