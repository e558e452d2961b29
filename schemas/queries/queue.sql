-- title: The queue: incidents that are not closed, most urgent first
-- unit: one row per incident; age in seconds
-- empty: nothing is open
-- params: asof String, demo String = , most UInt32 = 50
-- columns: incident_id UUID, priority UInt8, status LowCardinality(String), title String, entity String, alerts UInt32, wants_human Bool, acknowledged Nullable(DateTime64(3, 'UTC')), age Float64, demo Bool
SELECT
    incident_id,
    priority,
    status,
    title,
    concat(entities[1].kind, ':', entities[1].value) AS entity,
    alerts,
    wants_human,
    acknowledged,
    dateDiff('millisecond', detected, toDateTime64({asof:String}, 3, 'UTC')) / 1000 AS age,
    demo
FROM riposte.incidents FINAL
WHERE status IN ('open', 'contained') AND ({demo:String} = '' OR toString(toUInt8(demo)) = {demo:String})
ORDER BY priority, detected, incident_id
LIMIT {most:UInt32};
