-- title: Addresses and domains that were seen and that an indicator for a network or a parent domain means
-- unit: values
-- empty: none was seen in the range
-- params: tenant String, from String, until String, lows Array(String), highs Array(String), domains Array(String)
-- columns: value String
SELECT DISTINCT value
FROM riposte.sightings
WHERE tenant = {tenant:String} AND day >= toDate({from:String}) AND day <= toDate({until:String})
  AND ((kind = 'ip' AND arrayExists((lo, hi) -> toIPv6OrDefault(value) >= toIPv6(unhex(lo)) AND toIPv6OrDefault(value) <= toIPv6(unhex(hi)), {lows:Array(String)}, {highs:Array(String)}))
    OR (kind = 'domain' AND hasAny(
        arrayMap(i -> arrayStringConcat(arraySlice(splitByChar('.', value), i), '.'), range(1, length(splitByChar('.', value)) + 1)),
        arrayMap(d -> unhex(d), {domains:Array(String)}))))
ORDER BY value
LIMIT 100000;
