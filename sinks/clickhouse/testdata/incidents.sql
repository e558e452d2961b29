-- Thirteen incidents with hand-computed metrics, as of 2026-11-08 00:00:00. One VALUES row is one
-- revision. Seconds: d = detected - occurred, a = acknowledged, ap = approved after the decision,
-- c = contained (verified), r = closed, all after detected; -1 = not. detected is n hours after
-- 2026-11-02, or age before the evaluation for open ones; decided = detected + 50 ms.
-- 5 is a false positive, 11 is merged, 12 is a replay: these three do not count. 13 wanted no
-- action. 7 was closed, reopened and closed again. 9 was detected 5 s before it occurred.
INSERT INTO riposte.incident_log
  (tenant, incident_id, revision, status, priority, title, rules, tactics, techniques, sources, entities, alerts, owner, origin, mode, disposition,
   wants_action, wants_human, flags, reopened, merged_into, occurred, ingested, normalised, detected, decided, acknowledged, approved,
   action_started, action_done, verified, closed, first_closed, at, topic, partition, offset)
WITH toDateTime64('2026-11-08 00:00:00', 3, 'UTC') AS now_
SELECT 'acme', toUUID(concat('00000000-0000-0000-0000-0000000000', leftPad(toString(n), 2, '0'))), rev, status, prio, concat('case ', toString(n)), [rule], [tactic], [],
       [src], [], 1, '', origin, mode, disp, wact, whum, arrayConcat(if(late, ['late'], []), if(skew, ['clock_skew'], [])), reop, toUUID('00000000-0000-0000-0000-000000000000'),
       det - toIntervalSecond(d), det, det, det, det + toIntervalMillisecond(50),
       if(a < 0, NULL, det + toIntervalSecond(a)), if(ap < 0, NULL, det + toIntervalMillisecond(50) + toIntervalSecond(ap)),
       if(c < 0, NULL, det + toIntervalSecond(intDiv(c, 2))), if(c < 0, NULL, det + toIntervalSecond(c) - toIntervalMillisecond(500)), if(c < 0, NULL, det + toIntervalSecond(c)),
       if(r < 0, NULL, det + toIntervalSecond(r)), NULL, det, 'decisions', 0, n * 100 + rev
FROM (
  SELECT n, rev, status, prio, rule, tactic, src, origin, mode, disp, wact, whum, late, skew, reop, d, a, ap, c, r,
         if(status = 'open' AND age > 0, now_ - toIntervalSecond(age), toDateTime64('2026-11-02 00:00:00', 3, 'UTC') + toIntervalHour(n)) AS det
  FROM VALUES('n UInt32, rev UInt64, status String, prio UInt8, rule String, tactic String, src String, origin String, mode String, disp String, wact Bool, whum Bool, late Bool, skew Bool, reop UInt16, d Int64, a Int64, ap Int64, c Int64, r Int64, age Int64',
  ( 1, 3, 'closed',    1, 'lsass_dump', 'TA0006', 'edr',  'live',   'auto',     'true_positive',  1, 1, 0, 0, 0,   60,  120,  -1,   30,  600, 0),
  ( 2, 5, 'closed',    1, 'c2_beacon',  'TA0011', 'fw',   'live',   'approved', 'true_positive',  1, 1, 0, 0, 0,  120,  300,  60,   90, 1200, 0),
  ( 3, 6, 'closed',    1, 'lsass_dump', 'TA0006', 'edr',  'live',   'manual',   'true_positive',  1, 1, 0, 0, 0,  600,  600,  -1,  900, 7200, 0),
  ( 4, 2, 'open',      1, 'c2_beacon',  'TA0011', 'fw',   'live',   '',         '',               1, 1, 0, 0, 0,   60,   60,  -1,   -1,   -1, 3600),
  ( 5, 4, 'closed',    1, 'lsass_dump', 'TA0006', 'edr',  'live',   'auto',     'false_positive', 1, 1, 0, 0, 0,  180,   90,  -1,   40,  300, 0),
  ( 6, 3, 'closed',    2, 'lsass_dump', 'TA0006', 'edr',  'live',   'auto',     'true_positive',  1, 0, 0, 0, 0,   30,   -1,  -1,   20,  400, 0),
  ( 7, 3, 'closed',    2, 'phish',      'TA0001', 'mail', 'live',   'approved', 'true_positive',  1, 1, 0, 0, 0,   90,  200,  30,   60, 1000, 0),
  ( 7, 4, 'open',      2, 'phish',      'TA0001', 'mail', 'live',   'approved', '',               1, 1, 0, 0, 1,   90,  200,  30,   60,   -1, 0),
  ( 7, 5, 'closed',    2, 'phish',      'TA0001', 'mail', 'live',   'approved', 'true_positive',  1, 1, 0, 0, 1,   90,  200,  30,   60, 3600, 0),
  ( 8, 4, 'closed',    2, 'phish',      'TA0001', 'mail', 'live',   'manual',   'true_positive',  1, 1, 1, 0, 0, 3600, 1000,  -1,  120, 5000, 0),
  ( 9, 3, 'closed',    2, 'c2_beacon',  'TA0011', 'fw',   'live',   'auto',     '',               1, 0, 0, 1, 0,   -5,   -1,  -1,   10,  100, 0),
  (10, 2, 'open',      2, 'phish',      'TA0001', 'mail', 'live',   'auto',     '',               1, 1, 0, 0, 0,   45,   -1,  -1,   50,   -1, 86400),
  (11, 2, 'merged',    2, 'phish',      'TA0001', 'mail', 'live',   '',         'duplicate',      0, 0, 0, 0, 0,   10,   -1,  -1,   -1,   20, 0),
  (12, 2, 'closed',    2, 'phish',      'TA0001', 'mail', 'replay', 'auto',     'true_positive',  1, 0, 0, 0, 0,    1,   -1,  -1,    1,    1, 0),
  (13, 2, 'closed',    2, 'c2_beacon',  'TA0011', 'fw',   'live',   '',         'benign',         0, 0, 0, 0, 0,   15,   -1,  -1,   -1,   50, 0))
);
