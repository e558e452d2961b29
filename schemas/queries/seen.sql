-- title: Was this ever seen, where and when
-- unit: events
-- empty: it was never seen in the time that sightings are kept (400 days)
-- params: value String
-- columns: tenant LowCardinality(String), kind LowCardinality(String), value String, sources Array(String), first_at DateTime64(3, 'UTC'), last_at DateTime64(3, 'UTC'), days UInt64, seen UInt64
SELECT
    tenant,
    kind,
    value,
    arraySort(groupUniqArrayArray(s.sources)) AS sources,
    CAST(min(s.first_at) AS DateTime64(3, 'UTC')) AS first_at,
    CAST(max(s.last_at) AS DateTime64(3, 'UTC')) AS last_at,
    uniqExact(day) AS days,
    sum(s.events) AS seen
FROM riposte.sightings AS s
WHERE value = {value:String} AND kind IN ('ip', 'domain', 'sha256', 'user', 'host')
GROUP BY tenant, kind, value
ORDER BY tenant, kind;
