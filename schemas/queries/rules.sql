-- title: Rules: how often they led to an incident, how often rightly, how fast
-- unit: incidents; precision of the judged ones with the lower end of its 95 % Wilson interval; seconds
-- empty: no incident was detected in the range
-- params: asof String, since String = 1970-01-01 00:00:00, demo String =
-- columns: rule String, incidents UInt64, confirmed UInt64, false_positive UInt64, precision Nullable(Float64), precision_low Nullable(Float64), ttd_mean Nullable(Float64), ttd_p50 Nullable(Float64)
SELECT
    rule,
    count() AS incidents,
    countIf(disposition IN ('true_positive', 'benign')) AS confirmed,
    countIf(disposition = 'false_positive') AS false_positive,
    if(confirmed + false_positive = 0, NULL, confirmed / (confirmed + false_positive)) AS precision,
    if(confirmed + false_positive = 0, NULL,
       (precision + 1.9208 / (confirmed + false_positive)
        - 1.96 * sqrt((precision * (1 - precision) + 0.9604 / (confirmed + false_positive)) / (confirmed + false_positive)))
       / (1 + 3.8416 / (confirmed + false_positive))) AS precision_low,
    if(countIf(counted) = 0, NULL, avgIf(ttd, counted)) AS ttd_mean,
    if(countIf(counted) = 0, NULL, quantileExactInclusiveIf(0.5)(ttd, counted)) AS ttd_p50
FROM riposte.incident_times(asof = {asof:String})
WHERE origin IN ('live', 'reconcile') AND status != 'merged' AND detected >= toDateTime64({since:String}, 3, 'UTC')
  AND ({demo:String} = '' OR toString(toUInt8(demo)) = {demo:String})
GROUP BY rule
ORDER BY incidents DESC, rule;
