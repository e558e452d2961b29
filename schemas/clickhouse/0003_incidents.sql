-- Facts, incidents and decisions. A fact knows the group that its incident is of, not the
-- incident: the decide stage folds it, and the revision that it writes names the fact. So the way
-- from a fact to its incident is a join on the fact's partition and offset.

CREATE TABLE IF NOT EXISTS riposte.facts
(
    tenant        LowCardinality(String)    COMMENT 'who owns the data',
    incident_group String                   COMMENT 'kind:value of the entity that incidents group by' CODEC(ZSTD(1)),
    fact_id       UUID                      COMMENT 'folding the same fact twice changes nothing' CODEC(NONE),
    kind          LowCardinality(String)    COMMENT 'alert, outcome, approval, disposition, ack, comment, timer, override',
    ref           UUID                      COMMENT 'alert_id, intent_id, ... by kind; zero = none',
    actor         LowCardinality(String)    COMMENT 'user:<name>, engine, connector:<name>',
    summary       String                    COMMENT 'one line for the timeline' CODEC(ZSTD(1)),
    time          DateTime64(3, 'UTC')      COMMENT 'event time of what it tells; drives input.now of policies',
    flags         Array(LowCardinality(String)) COMMENT 'closed enum: demo, late, clock_skew, ...',
    demo          Bool ALIAS has(flags, 'demo') COMMENT 'sample traffic of riposte itself',
    body          String                    COMMENT 'the whole fact, JSON; read with JSONExtract' CODEC(ZSTD(1)),
    at            DateTime64(3, 'UTC')      COMMENT 'broker append time on facts',
    topic         LowCardinality(String)    COMMENT 'record this row came from',
    partition     Int32                     COMMENT 'record this row came from',
    offset        Int64                     COMMENT 'record this row came from'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (tenant, incident_group, partition, offset)
TTL toDateTime(at) + INTERVAL 3 YEAR DELETE
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;

-- One row per fold: the whole incident after each fact. Append-only, never updated.
CREATE TABLE IF NOT EXISTS riposte.incident_log
(
    tenant        LowCardinality(String)         COMMENT 'who owns the data',
    incident_id   UUID                           COMMENT 'hash of tenant, group and the first alert',
    incident_group String                        COMMENT 'kind:value of the entity that it groups by' CODEC(ZSTD(1)),
    revision      UInt64                         COMMENT 'number of facts folded; highest wins',
    status        LowCardinality(String)         COMMENT 'open, contained, closed, merged',
    priority      UInt8                          COMMENT '1 critical to 5 informational, of the last decision',
    title         String                         COMMENT 'for people' CODEC(ZSTD(1)),
    rules         Array(LowCardinality(String))  COMMENT 'rule ids of its alerts, first alert first',
    tactics       Array(LowCardinality(String))  COMMENT 'ATT&CK tactic ids, union',
    techniques    Array(LowCardinality(String))  COMMENT 'ATT&CK technique ids, union',
    sources       Array(LowCardinality(String))  COMMENT 'sources of its evidence, first first',
    entities      Array(Tuple(kind LowCardinality(String), value String)) COMMENT 'what it is about' CODEC(ZSTD(1)),
    alerts        UInt32                         COMMENT 'number of alerts folded in',
    alert_ids     Array(UUID)                    COMMENT 'alerts folded in, the first 64' CODEC(ZSTD(1)),
    owner         LowCardinality(String)         COMMENT 'analyst, empty = nobody',
    origin        LowCardinality(String)         COMMENT 'live, reconcile, replay, shadow',
    mode          LowCardinality(String)         COMMENT 'how it was contained: auto, approved, manual, empty',
    disposition   LowCardinality(String)         COMMENT 'true_positive, benign, false_positive, duplicate, test, empty = unknown',
    wants_action  Bool                           COMMENT 'a decision so far wanted a containing step',
    wants_human   Bool                           COMMENT 'a decision so far wanted approval or a person',
    reopened      UInt16                         COMMENT 'times reopened after a close',
    merged_into   UUID                           COMMENT 'zero = not merged',
    flags         Array(LowCardinality(String))  COMMENT 'of its evidence: demo, late, clock_skew, ...',
    demo          Bool ALIAS has(flags, 'demo')  COMMENT 'sample traffic of riposte itself',
    late          Bool ALIAS has(flags, 'late')  COMMENT 'evidence arrived after the watermark',
    skewed        Bool ALIAS has(flags, 'clock_skew') COMMENT 'evidence carried a source clock that was not believed',
    occurred      DateTime64(3, 'UTC')           COMMENT '1 event time of the first evidence',
    triggered     DateTime64(3, 'UTC')           COMMENT 'event time of the event that completed the first alert',
    ingested      DateTime64(3, 'UTC')           COMMENT '2 broker append on raw.<source> of the triggering event of the first alert',
    normalised    Nullable(DateTime64(3, 'UTC')) COMMENT '3 broker append of its signal on signals; NULL = the record did not say',
    detected      DateTime64(3, 'UTC')           COMMENT '4 broker append of the first alert on facts; where the record does not say, at',
    decided       Nullable(DateTime64(3, 'UTC')) COMMENT '5 broker append of the first decision as far as this revision knows; incident_decided has it',
    acknowledged  Nullable(DateTime64(3, 'UTC')) COMMENT 'first act of a person (ack, assign, approve, comment)',
    approved      Nullable(DateTime64(3, 'UTC')) COMMENT '6 last approval that the first containing step needed',
    action_started Nullable(DateTime64(3, 'UTC')) COMMENT '7 first call to a connector for a containing step',
    action_done   Nullable(DateTime64(3, 'UTC')) COMMENT '8 first containing step applied',
    verified      Nullable(DateTime64(3, 'UTC')) COMMENT '9 first moment at which every containing step then wanted was verified',
    closed        Nullable(DateTime64(3, 'UTC')) COMMENT 'last close; NULL while open or reopened',
    first_closed  Nullable(DateTime64(3, 'UTC')) COMMENT 'first close, kept over reopening',
    fact_id       UUID                           COMMENT 'fact that made this revision' CODEC(NONE),
    fact_kind     LowCardinality(String)         COMMENT 'kind of that fact',
    fact_ref      UUID                           COMMENT 'what that fact is about: alert_id, intent_id, ... by kind',
    at            DateTime64(3, 'UTC')           COMMENT 'broker append time of this revision on decisions',
    topic         LowCardinality(String)         COMMENT 'record this row came from',
    partition     Int32                          COMMENT 'record this row came from',
    offset        Int64                          COMMENT 'record this row came from'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (tenant, incident_id, revision)
TTL toDateTime(at) + INTERVAL 3 YEAR DELETE
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;

-- The current state of each incident. revision makes inserts in any order end in the same row;
-- read it with FINAL. Not partitioned: a partition that moves with the time of the last revision
-- would keep two current rows. That must be said: AS copies the partitions of the log.
CREATE TABLE IF NOT EXISTS riposte.incidents AS riposte.incident_log
ENGINE = ReplacingMergeTree(revision)
PARTITION BY tuple()
ORDER BY (tenant, incident_id)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS riposte.incidents_mv TO riposte.incidents AS
SELECT * FROM riposte.incident_log;

-- When the first decision was appended. No revision can carry that time: it is the append time of
-- the record that carries revision 1.
CREATE TABLE IF NOT EXISTS riposte.incident_decided
(
    tenant        LowCardinality(String)    COMMENT 'who owns the data',
    incident_id   UUID                      COMMENT 'the incident',
    decided       SimpleAggregateFunction(min, DateTime64(3, 'UTC')) COMMENT '5 broker append of the first decision'
)
ENGINE = AggregatingMergeTree
ORDER BY (tenant, incident_id)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS riposte.incident_decided_mv TO riposte.incident_decided AS
SELECT tenant, incident_id, min(coalesce(l.decided, l.at)) AS decided
FROM riposte.incident_log AS l GROUP BY tenant, incident_id;

CREATE TABLE IF NOT EXISTS riposte.decisions
(
    tenant        LowCardinality(String)    COMMENT 'who owns the data',
    incident_id   UUID                      COMMENT 'the incident',
    revision      UInt64                    COMMENT 'of the incident that this decision is about: number of facts folded',
    decision_id   UUID                      COMMENT 'hash(incident, revision, bundle)',
    mode          LowCardinality(String)    COMMENT 'live, shadow, replay',
    bundle        LowCardinality(String)    COMMENT 'bundle revision of the decide policy',
    guard         LowCardinality(String)    COMMENT 'bundle revision of the guard policy',
    engine        LowCardinality(String)    COMMENT 'riposte, topdown, fallback (static severity)',
    priority      UInt8                     COMMENT '1 to 5',
    score         Float64                   COMMENT 'of the policy, 0 = none',
    playbook      LowCardinality(String)    COMMENT 'playbook that decided',
    playbook_version LowCardinality(String) COMMENT 'its version',
    reason_codes  Array(LowCardinality(String)) COMMENT 'what the policy said, for grouping',
    reasons       Array(String)             COMMENT 'what the policy said, for people' CODEC(ZSTD(1)),
    steps         UInt16                    COMMENT 'steps wanted in total',
    added         UInt16                    COMMENT 'steps new against what was in place',
    removed       UInt16                    COMMENT 'steps no longer wanted',
    denied        UInt16                    COMMENT 'steps that guard or caps refused',
    error         String                    COMMENT 'why the fallback was taken, empty = it was not' CODEC(ZSTD(1)),
    wake_at       Nullable(DateTime64(3, 'UTC')) COMMENT 'when the policy wants to be asked again',
    close         LowCardinality(String)    COMMENT 'disposition with which the policy closes the incident, empty = it does not',
    input_digest  String                    COMMENT 'SHA-256 of the policy input, hexadecimal, for replay' CODEC(ZSTD(1)),
    flags         Array(LowCardinality(String)) COMMENT 'closed enum: demo, late, clock_skew, ...',
    demo          Bool ALIAS has(flags, 'demo') COMMENT 'sample traffic of riposte itself',
    body          String                    COMMENT 'the whole decision, JSON; read with JSONExtract' CODEC(ZSTD(1)),
    at            DateTime64(3, 'UTC')      COMMENT '5 broker append on decisions',
    topic         LowCardinality(String)    COMMENT 'record this row came from',
    partition     Int32                     COMMENT 'record this row came from',
    offset        Int64                     COMMENT 'record this row came from'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (tenant, incident_id, revision, mode)
TTL toDateTime(at) + INTERVAL 3 YEAR DELETE
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 10000;

-- The timeline of an incident: its facts in the order in which they were folded. ANY: a fact may
-- lie on the topic more than once (a client that tried again), and is folded once.
CREATE VIEW IF NOT EXISTS riposte.timeline AS
SELECT
    i.tenant AS tenant, i.incident_id AS incident_id, i.revision AS revision, f.kind AS kind, f.ref AS ref, f.actor AS actor,
    f.summary AS summary, f.body AS body, f.time AS time, f.at AS at, i.at AS folded, i.status AS status, i.priority AS priority,
    has(i.flags, 'demo') AS demo
FROM riposte.incident_log AS i
INNER ANY JOIN riposte.facts AS f ON f.tenant = i.tenant AND f.incident_group = i.incident_group AND f.fact_id = i.fact_id;

-- Which incident an alert went to.
CREATE VIEW IF NOT EXISTS riposte.alert_incidents AS
SELECT tenant, fact_ref AS alert_id, argMin(incident_id, revision) AS incident_id
FROM riposte.incident_log WHERE fact_kind = 'alert' GROUP BY tenant, alert_id;
