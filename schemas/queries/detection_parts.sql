-- title: Where the time to detect goes, mean per source: the four parts add up to the time to detect
-- unit: seconds
-- empty: there was no alert in the range
-- params: since String = 1970-01-01 00:00:00, demo String =
-- columns: source String, alerts UInt64, window Float64, source_lag Float64, queue Nullable(Float64), engine Nullable(Float64), ttd Float64
SELECT
    source,
    count() AS alerts,
    avg(t.window) AS window,
    avg(t.source_lag) AS source_lag,
    avg(t.queue) AS queue,
    avg(t.engine) AS engine,
    avg(t.ttd) AS ttd
FROM riposte.alert_times AS t
WHERE detected >= toDateTime64({since:String}, 3, 'UTC') AND ({demo:String} = '' OR toString(toUInt8(demo)) = {demo:String})
GROUP BY source
ORDER BY source;
