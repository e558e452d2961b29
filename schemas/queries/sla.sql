-- title: Containment against a target per priority: breached counts the open ones that are too old already
-- unit: incidents; attainment = met of met and breached
-- empty: no incident of the range wanted a containing step
-- params: asof String, since String = 1970-01-01 00:00:00, targets Array(Float64) = [900,3600,14400,86400,259200], demo String =
-- columns: priority UInt8, target Float64, met UInt64, breached UInt64, pending UInt64, attainment Float64
SELECT
    priority,
    {targets:Array(Float64)}[priority] AS target,
    countIf(ttc <= target AND NOT ttc_open) AS met,
    countIf(ttc > target) AS breached,
    countIf(ttc <= target AND ttc_open) AS pending,
    if(met + breached = 0, 1, met / (met + breached)) AS attainment
FROM riposte.incident_times(asof = {asof:String})
WHERE counted AND ttc IS NOT NULL AND detected >= toDateTime64({since:String}, 3, 'UTC')
  AND ({demo:String} = '' OR toString(toUInt8(demo)) = {demo:String})
GROUP BY priority
ORDER BY priority;
