-- title: Time to detect: from the first evidence to the alert
-- unit: seconds
-- empty: no incident was detected in the range
-- params: asof String, since String = 1970-01-01 00:00:00, by String = priority, demo String =
-- columns: grp String, incidents UInt64, skewed UInt64, late UInt64, mean Float64, p50 Float64, p90 Float64
SELECT
    multiIf({by:String} = 'priority', toString(priority), {by:String} = 'rule', toString(rule), {by:String} = 'source', toString(source),
            {by:String} = 'tenant', toString(tenant), {by:String} = 'mode', toString(mode), 'all') AS grp,
    count() AS incidents,
    countIf(negative OR skewed) AS skewed,
    countIf(late) AS late,
    avg(ttd) AS mean,
    quantileExactInclusive(0.5)(ttd) AS p50,
    quantileExactInclusive(0.9)(ttd) AS p90
FROM riposte.incident_times(asof = {asof:String})
WHERE counted AND detected >= toDateTime64({since:String}, 3, 'UTC') AND ({demo:String} = '' OR toString(toUInt8(demo)) = {demo:String})
GROUP BY grp
ORDER BY grp;
