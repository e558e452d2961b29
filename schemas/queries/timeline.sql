-- title: What an incident learned, in order
-- unit: one row per fact
-- empty: there is no such incident
-- params: incident UUID
-- columns: revision UInt64, at DateTime64(3, 'UTC'), kind LowCardinality(String), actor LowCardinality(String), summary String, status LowCardinality(String), priority UInt8
SELECT
    revision,
    at,
    kind,
    actor,
    summary,
    status,
    priority
FROM riposte.timeline
WHERE incident_id = {incident:UUID}
ORDER BY revision;
