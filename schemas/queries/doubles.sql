-- title: Rows that stand for the same record twice: there must be none
-- unit: rows
-- empty: there is no row twice in any table of records
-- columns: table String, topic LowCardinality(String), partition Int32, offset Int64, rows UInt64
SELECT 'events' AS table, topic, partition, offset, count() AS rows FROM riposte.events GROUP BY topic, partition, offset HAVING rows > 1
UNION ALL
SELECT 'signals' AS table, topic, partition, offset, count() AS rows FROM riposte.signals GROUP BY topic, partition, offset HAVING rows > 1
UNION ALL
SELECT 'facts' AS table, topic, partition, offset, count() AS rows FROM riposte.facts GROUP BY topic, partition, offset HAVING rows > 1
UNION ALL
SELECT 'decisions' AS table, topic, partition, offset, count() AS rows FROM riposte.decisions GROUP BY topic, partition, offset HAVING rows > 1
UNION ALL
SELECT 'intents' AS table, topic, partition, offset, count() AS rows FROM riposte.intents GROUP BY topic, partition, offset HAVING rows > 1
UNION ALL
SELECT 'outcomes' AS table, topic, partition, offset, count() AS rows FROM riposte.outcomes GROUP BY topic, partition, offset HAVING rows > 1
UNION ALL
SELECT 'rejects' AS table, topic, partition, offset, count() AS rows FROM riposte.rejects GROUP BY topic, partition, offset HAVING rows > 1
UNION ALL
SELECT 'ledger' AS table, topic, partition, offset, count() AS rows FROM riposte.ledger GROUP BY topic, partition, offset HAVING rows > 1;
