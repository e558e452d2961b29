-- title: From events to responses: what became of the input
-- unit: rows
-- empty: cannot be: there is always one row
-- columns: events UInt64, rejects UInt64, signals UInt64, alerts UInt64, incidents UInt64, intents UInt64, outcomes UInt64, leases UInt64
SELECT
    assumeNotNull((SELECT count() FROM riposte.events)) AS events,
    assumeNotNull((SELECT count() FROM riposte.rejects)) AS rejects,
    assumeNotNull((SELECT count() FROM riposte.signals)) AS signals,
    assumeNotNull((SELECT count() FROM riposte.alert_state FINAL)) AS alerts,
    assumeNotNull((SELECT count() FROM riposte.incidents FINAL)) AS incidents,
    assumeNotNull((SELECT uniqExact(tenant, intent_id) FROM riposte.intents)) AS intents,
    assumeNotNull((SELECT count() FROM riposte.outcomes)) AS outcomes,
    assumeNotNull((SELECT count() FROM riposte.leases FINAL WHERE state = 'in_place')) AS leases;
