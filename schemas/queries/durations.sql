-- title: A duration with the open ones counted (Kaplan-Meier): metric ttd, tta, tts, ttc, exposure or ttr
-- unit: seconds
-- empty: the duration applies to no incident of the range
-- params: asof String, since String = 1970-01-01 00:00:00, by String = priority, metric String = ttc, tau Float64 = 86400, demo String =
-- columns: grp String, incidents UInt64, done UInt64, open Int64, p50 Nullable(Float64), p75 Nullable(Float64), p90 Nullable(Float64), restricted_mean Float64, longest Float64
SELECT grp, incidents, done, open, p50, p75, p90, restricted_mean, longest
FROM riposte.km(asof = {asof:String}, since = {since:String}, demo = {demo:String}, dim = {by:String}, metric = {metric:String}, tau = {tau:Float64})
ORDER BY grp;
