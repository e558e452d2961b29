-- title: Time to respond: from the alert to the moment when every containing step is verified, open ones counted
-- unit: seconds
-- empty: no incident of the range wanted a containing step
-- params: asof String, since String = 1970-01-01 00:00:00, by String = priority, tau Float64 = 86400, demo String =
-- columns: grp String, incidents UInt64, done UInt64, open Int64, p50 Nullable(Float64), p75 Nullable(Float64), p90 Nullable(Float64), restricted_mean Float64, longest Float64
SELECT grp, incidents, done, open, p50, p75, p90, restricted_mean, longest
FROM riposte.km(asof = {asof:String}, since = {since:String}, demo = {demo:String}, dim = {by:String}, metric = 'ttc', tau = {tau:Float64})
ORDER BY grp;
