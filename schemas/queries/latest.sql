-- title: The newest facts: what was found, and what was done about it
-- unit: one row per fact
-- empty: nothing was found yet
-- columns: at DateTime64(3, 'UTC'), kind LowCardinality(String), summary String
SELECT at, kind, summary
FROM riposte.facts
WHERE kind IN ('alert', 'outcome')
ORDER BY at DESC
LIMIT 10;
