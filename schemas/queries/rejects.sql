-- title: Input that could not be processed, by reason
-- unit: records
-- empty: everything could be processed
-- params: since String = 1970-01-01 00:00:00
-- columns: source LowCardinality(String), stage LowCardinality(String), reason LowCardinality(String), records UInt64, newest DateTime64(3, 'UTC'), example String
SELECT
    source,
    stage,
    reason,
    count() AS records,
    max(r.at) AS newest,
    argMax(detail, r.at) AS example
FROM riposte.rejects AS r
WHERE r.at >= toDateTime64({since:String}, 3, 'UTC')
GROUP BY source, stage, reason
ORDER BY records DESC, source, stage, reason;
