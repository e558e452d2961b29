-- Intents and what became of them.

CREATE TABLE IF NOT EXISTS riposte.intents
(
    tenant        LowCardinality(String)    COMMENT 'who owns the data',
    intent_id     UUID                      COMMENT 'hash(tenant, incident, playbook, step, action, canonical target)',
    revision      UInt64                    COMMENT 'of the incident when it was last wanted; grows',
    want          LowCardinality(String)    COMMENT 'present: the effect shall be in place; absent: it shall be undone',
    incident_id   UUID                      COMMENT 'the incident',
    incident_group String                   COMMENT 'its group' CODEC(ZSTD(1)),
    decision_id   UUID                      COMMENT 'decision that this row comes from',
    playbook      LowCardinality(String)    COMMENT 'playbook id',
    step          LowCardinality(String)    COMMENT 'step name in the playbook',
    action        LowCardinality(String)    COMMENT 'endpoint.isolate, ip.block, mail.remove, ...',
    effect        LowCardinality(String)    COMMENT 'read, notify, block, contain, identity, destroy',
    connector     LowCardinality(String)    COMMENT 'sink that will carry it out',
    target_kind   LowCardinality(String)    COMMENT 'host, ip, user, mail, ...',
    target        String                    COMMENT 'canonical target' CODEC(ZSTD(1)),
    mode          LowCardinality(String)    COMMENT 'live, dry_run, shadow',
    verdict       LowCardinality(String)    COMMENT 'allow, approve, deny (guard and caps)',
    why           Array(String)             COMMENT 'reasons of guard and caps' CODEC(ZSTD(1)),
    why_codes     Array(LowCardinality(String)) COMMENT 'the same as codes',
    approvals     UInt8                     COMMENT 'approvals needed, 0 = none',
    approved_by   Array(LowCardinality(String)) COMMENT 'who approved so far',
    ttl           UInt32                    COMMENT 'lease length, seconds, 0 = until retracted',
    on_expiry     LowCardinality(String)    COMMENT 'undo, keep, ask',
    priority      UInt8                     COMMENT '1 critical to 5 informational',
    digest        String                    COMMENT 'what an approval binds to, hexadecimal' CODEC(ZSTD(1)),
    flags         Array(LowCardinality(String)) COMMENT 'closed enum: demo, late, clock_skew, ...',
    demo          Bool ALIAS has(flags, 'demo') COMMENT 'sample traffic of riposte itself',
    body          String                    COMMENT 'the whole intent, JSON; read with JSONExtract' CODEC(ZSTD(1)),
    time          DateTime64(3, 'UTC')      COMMENT 'input.now of the decision',
    at            DateTime64(3, 'UTC')      COMMENT 'broker append on intents',
    topic         LowCardinality(String)    COMMENT 'record this row came from',
    partition     Int32                     COMMENT 'record this row came from',
    offset        Int64                     COMMENT 'record this row came from'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (tenant, incident_id, intent_id, revision)
TTL toDateTime(at) + INTERVAL 3 YEAR DELETE
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;

-- Intents as they are now: the row of the last decision that spoke of each.
CREATE VIEW IF NOT EXISTS riposte.intent_state AS
SELECT *, has(flags, 'demo') AS demo FROM riposte.intents
ORDER BY revision DESC, partition DESC, offset DESC
LIMIT 1 BY tenant, intent_id;

-- One row per step of a lease's life.
CREATE TABLE IF NOT EXISTS riposte.outcomes
(
    tenant        LowCardinality(String)    COMMENT 'who owns the data',
    intent_id     UUID                      COMMENT 'the intent',
    seq           UInt32                    COMMENT 'step of the lease, from 1',
    incident_id   UUID                      COMMENT 'the incident',
    incident_group String                   COMMENT 'its group' CODEC(ZSTD(1)),
    connector     LowCardinality(String)    COMMENT 'sink',
    action        LowCardinality(String)    COMMENT 'action id',
    effect        LowCardinality(String)    COMMENT 'read, notify, block, contain, identity, destroy',
    step          LowCardinality(String)    COMMENT 'step name in the playbook',
    target_kind   LowCardinality(String)    COMMENT 'host, ip, user, mail, ...',
    target        String                    COMMENT 'canonical target' CODEC(ZSTD(1)),
    phase         LowCardinality(String)    COMMENT 'check, apply, poll, verify, renew, undo, verify_undo, expire, refuse',
    state         LowCardinality(String)    COMMENT 'in_place, absent, pending, failed, unknown, refused',
    attempt       UInt16                    COMMENT 'tries of this phase, from 1',
    started       Nullable(DateTime64(3, 'UTC')) COMMENT '7 call began, responder clock; NULL = there was no call',
    done          Nullable(DateTime64(3, 'UTC')) COMMENT '8 call ended, responder clock',
    expires       Nullable(DateTime64(3, 'UTC')) COMMENT 'when the lease ends unless renewed',
    vendor_ref    String                    COMMENT 'id at the vendor' CODEC(ZSTD(1)),
    already       Bool                      COMMENT 'the effect was in place before us: not ours to undo',
    fault         LowCardinality(String)    COMMENT 'closed enum of faults.go, empty = none',
    detail        String                    COMMENT 'for people, at most 512 bytes' CODEC(ZSTD(1)),
    result        String                    COMMENT 'of a read action: what was learned, JSON' CODEC(ZSTD(1)),
    flags         Array(LowCardinality(String)) COMMENT 'closed enum: demo, late, clock_skew, ...',
    demo          Bool ALIAS has(flags, 'demo') COMMENT 'sample traffic of riposte itself',
    actor         LowCardinality(String)    COMMENT 'engine, user:<name> for undo by hand',
    at            DateTime64(3, 'UTC')      COMMENT '9 (phase verify, state in_place) broker append on outcomes',
    topic         LowCardinality(String)    COMMENT 'record this row came from',
    partition     Int32                     COMMENT 'record this row came from',
    offset        Int64                     COMMENT 'record this row came from'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (tenant, intent_id, seq)
TTL toDateTime(at) + INTERVAL 3 YEAR DELETE
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;

-- Leases in place or in doubt: the last outcome of each intent. Read it with FINAL.
CREATE TABLE IF NOT EXISTS riposte.leases AS riposte.outcomes
ENGINE = ReplacingMergeTree(seq)
PARTITION BY tuple()
ORDER BY (tenant, intent_id)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS riposte.leases_mv TO riposte.leases AS
SELECT * FROM riposte.outcomes;
