-- Metrics: the one place where their definitions live. Parameterised views, for example
--   SELECT * FROM riposte.incident_times(asof = '2026-11-08 00:00:00');
-- Durations are seconds (Float64). NULL = does not apply. *_open = true means censored: the
-- incident is not there yet, and the value is its age so far.
CREATE OR REPLACE VIEW riposte.incident_times AS
WITH
    toDateTime64({asof:String}, 3, 'UTC') AS now_,
    (origin IN ('live', 'reconcile')) AND disposition NOT IN ('false_positive', 'duplicate', 'test') AND status != 'merged' AS counted_
SELECT
    i.tenant AS tenant, i.incident_id AS incident_id, priority, status, disposition, mode, origin, late, skewed, demo, reopened, owner,
    rules[1] AS rule, tactics, sources[1] AS source,
    occurred, detected, d.decided AS decided, acknowledged, approved, action_started, action_done, verified, closed,
    counted_ AS counted,
    detected < occurred AS negative,
    greatest(dateDiff('millisecond', occurred, detected), 0) / 1000 AS ttd,
    dateDiff('millisecond', detected, d.decided) / 1000 AS tt_decide,
    if(wants_human OR acknowledged IS NOT NULL, dateDiff('millisecond', detected, coalesce(acknowledged, closed, now_)) / 1000, NULL) AS tta,
    acknowledged IS NULL AS tta_open,
    if(approved IS NOT NULL, dateDiff('millisecond', d.decided, approved) / 1000, NULL) AS tt_approve,
    if(wants_action, dateDiff('millisecond', detected, coalesce(action_started, closed, now_)) / 1000, NULL) AS tts,
    action_started IS NULL AS tts_open,
    if(wants_action, dateDiff('millisecond', detected, coalesce(verified, closed, now_)) / 1000, NULL) AS ttc,
    verified IS NULL AS ttc_open,
    if(wants_action, greatest(dateDiff('millisecond', occurred, coalesce(verified, closed, now_)), 0) / 1000, NULL) AS exposure,
    dateDiff('millisecond', detected, coalesce(closed, now_)) / 1000 AS ttr,
    closed IS NULL AS ttr_open
FROM (SELECT *, late, skewed, demo FROM riposte.incidents FINAL) AS i
LEFT JOIN (SELECT tenant, incident_id, min(decided) AS decided FROM riposte.incident_decided GROUP BY tenant, incident_id) AS d
    ON i.tenant = d.tenant AND i.incident_id = d.incident_id
WHERE detected <= now_;

-- Kaplan-Meier for any duration, per group. metric = ttd, tta, tts, ttc, exposure or ttr;
-- dim = priority, rule, source, mode, tenant or all; tau = horizon in seconds;
-- demo = '0' real incidents only, '1' sample traffic only, '' both.
-- restricted_mean is the area under the curve up to tau: the only honest mean while some are
-- open. A quantile that is NULL is not reached yet.
-- round(..., 9) is needed: else 0.5 compares as 0.5000000000000001 and the median moves a step.
CREATE OR REPLACE VIEW riposte.km AS
WITH
    x AS (
        SELECT
            multiIf({dim:String} = 'priority', toString(priority), {dim:String} = 'rule', toString(rule), {dim:String} = 'source', toString(source),
                    {dim:String} = 'mode', toString(mode), {dim:String} = 'tenant', toString(tenant), 'all') AS g,
            multiIf({metric:String} = 'ttd', toNullable(ttd), {metric:String} = 'tta', tta, {metric:String} = 'tts', tts, {metric:String} = 'ttc', ttc,
                    {metric:String} = 'exposure', exposure, toNullable(ttr)) AS t,
            NOT multiIf({metric:String} = 'ttd', false, {metric:String} = 'tta', tta_open, {metric:String} = 'tts', tts_open,
                        {metric:String} = 'ttc' OR {metric:String} = 'exposure', ttc_open, ttr_open) AS done
        FROM riposte.incident_times(asof = {asof:String})
        WHERE counted AND t IS NOT NULL AND ({demo:String} = '' OR toString(toUInt8(demo)) = {demo:String})
          AND detected >= toDateTime64({since:String}, 3, 'UTC')
    ),
    s AS (SELECT g, assumeNotNull(t) AS t, countIf(done) AS d, count() AS c FROM x GROUP BY g, t),
    r AS (SELECT g, t, d, sum(c) OVER (PARTITION BY g ORDER BY t DESC ROWS UNBOUNDED PRECEDING) AS n FROM s),
    k AS (SELECT g, t, d, n, round(exp(sum(log(1 - d / n)) OVER (PARTITION BY g ORDER BY t ROWS UNBOUNDED PRECEDING)), 9) AS surv FROM r),
    a AS (SELECT g, t, d, n, surv, least(t, {tau:Float64}) - least(lagInFrame(t, 1, 0) OVER w, {tau:Float64}) AS width, lagInFrame(surv, 1, 1) OVER w AS before FROM k
          WINDOW w AS (PARTITION BY g ORDER BY t ROWS BETWEEN 1 PRECEDING AND CURRENT ROW))
SELECT g AS grp, max(n) AS incidents, sum(d) AS done, incidents - done AS open,
       minIf(toNullable(t), surv <= 0.5) AS p50, minIf(toNullable(t), surv <= 0.25) AS p75, minIf(toNullable(t), surv <= 0.1) AS p90,
       round(sum(width * before) + min(surv) * greatest({tau:Float64} - max(t), 0), 3) AS restricted_mean, max(t) AS longest
FROM a GROUP BY g;
