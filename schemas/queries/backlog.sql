-- title: Open incidents, those that nobody has touched, and their age
-- unit: incidents; seconds
-- empty: nothing is open
-- params: asof String, demo String =
-- columns: priority UInt8, open UInt64, untouched UInt64, age_p50 Float64, age_p90 Float64, oldest Float64
SELECT
    priority,
    count() AS open,
    countIf(acknowledged IS NULL) AS untouched,
    quantileExactInclusive(0.5)(ttr) AS age_p50,
    quantileExactInclusive(0.9)(ttr) AS age_p90,
    max(ttr) AS oldest
FROM riposte.incident_times(asof = {asof:String})
WHERE counted AND ttr_open AND ({demo:String} = '' OR toString(toUInt8(demo)) = {demo:String})
GROUP BY priority
ORDER BY priority;
