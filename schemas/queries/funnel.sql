-- title: From input to responses: what became of it
-- unit: records, events, ...; one row
-- empty: cannot be: there is always one row
-- columns: read UInt64, live UInt64, duplicate UInt64, rejected UInt64, events UInt64, rejects UInt64, signals UInt64, alerts UInt64, incidents UInt64, intents UInt64, outcomes UInt64, leases UInt64
SELECT
    assumeNotNull((SELECT sum(records) FROM riposte.sources)) AS read,
    assumeNotNull((SELECT sum(live) FROM riposte.sources)) AS live,
    assumeNotNull((SELECT sum(duplicate) FROM riposte.sources)) AS duplicate,
    assumeNotNull((SELECT sum(rejected) FROM riposte.sources)) AS rejected,
    assumeNotNull((SELECT count() FROM riposte.events)) AS events,
    assumeNotNull((SELECT count() FROM riposte.rejects)) AS rejects,
    assumeNotNull((SELECT count() FROM riposte.signals)) AS signals,
    assumeNotNull((SELECT count() FROM riposte.alert_state FINAL)) AS alerts,
    assumeNotNull((SELECT count() FROM riposte.incidents FINAL)) AS incidents,
    assumeNotNull((SELECT uniqExact(tenant, intent_id) FROM riposte.intents)) AS intents,
    assumeNotNull((SELECT uniqExact(tenant, intent_id) FROM riposte.outcomes)) AS outcomes,
    assumeNotNull((SELECT count() FROM riposte.leases FINAL WHERE state = 'in_place')) AS leases;
