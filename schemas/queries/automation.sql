-- title: How incidents that wanted containing were contained
-- unit: incidents; rate = automatic of contained
-- empty: no incident of the range wanted a containing step
-- params: asof String, since String = 1970-01-01 00:00:00, demo String =
-- columns: wanted UInt64, contained UInt64, automatic UInt64, approved UInt64, manual UInt64, not_contained UInt64, rate Float64
SELECT
    count() AS wanted,
    countIf(NOT ttc_open) AS contained,
    countIf(NOT ttc_open AND mode = 'auto') AS automatic,
    countIf(NOT ttc_open AND mode = 'approved') AS approved,
    countIf(NOT ttc_open AND mode = 'manual') AS manual,
    countIf(ttc_open) AS not_contained,
    if(contained = 0, 0, automatic / contained) AS rate
FROM riposte.incident_times(asof = {asof:String})
WHERE counted AND ttc IS NOT NULL AND detected >= toDateTime64({since:String}, 3, 'UTC')
  AND ({demo:String} = '' OR toString(toUInt8(demo)) = {demo:String})
HAVING wanted > 0;
