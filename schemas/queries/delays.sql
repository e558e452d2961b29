-- title: How long events took from their source to the broker
-- unit: events; seconds
-- empty: there was no event in the range
-- params: since String = 1970-01-01 00:00:00
-- columns: source LowCardinality(String), events UInt64, delay_p50 Float32, delay_p90 Float32, delay_p99 Float32
SELECT
    source,
    sum(h.events) AS events,
    quantilesTDigestMerge(0.5, 0.9, 0.99)(h.delay)[1] AS delay_p50,
    quantilesTDigestMerge(0.5, 0.9, 0.99)(h.delay)[2] AS delay_p90,
    quantilesTDigestMerge(0.5, 0.9, 0.99)(h.delay)[3] AS delay_p99
FROM riposte.events_hour AS h
WHERE hour >= toDateTime64({since:String}, 3, 'UTC')
GROUP BY source
ORDER BY source;
