-- title: Sources: how much, how late, and since when silent
-- unit: events; seconds
-- empty: nothing was ever received
-- params: asof String
-- columns: source LowCardinality(String), events UInt64, last_ingested DateTime64(3, 'UTC'), silent_for Float64, delay_p50 Float32, delay_p99 Float32
SELECT
    source,
    sum(h.events) AS events,
    CAST(max(h.last_ingested) AS DateTime64(3, 'UTC')) AS last_ingested,
    dateDiff('millisecond', last_ingested, toDateTime64({asof:String}, 3, 'UTC')) / 1000 AS silent_for,
    quantilesTDigestMerge(0.5, 0.9, 0.99)(h.delay)[1] AS delay_p50,
    quantilesTDigestMerge(0.5, 0.9, 0.99)(h.delay)[3] AS delay_p99
FROM riposte.events_hour AS h
GROUP BY source
ORDER BY source;
