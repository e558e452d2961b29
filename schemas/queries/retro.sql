-- title: Recorded events with one of the values, which made no signal of the rules when they were live
-- unit: events
-- empty: none was recorded in the range, or all of them made a signal
-- params: tenant String, from String, until String, values Array(String), rules Array(String)
-- columns: value String, victim_kind String, victim String, device String, account String, src String, dst String, sources Array(String), events UInt64, first DateTime64(3, 'UTC'), last DateTime64(3, 'UTC'), event UUID, seen DateTime64(3, 'UTC'), demo UInt8
WITH
    arrayMap(v -> unhex(v), {values:Array(String)}) AS wanted,
    arrayMap(v -> toIPv6(v), arrayFilter(v -> isIPv4String(v) OR isIPv6String(v), wanted)) AS addresses
SELECT
    value,
    multiIf(host != '', 'host', user != '', 'user', 'ip') AS victim_kind,
    multiIf(host != '', host, user != '', user, source_ip != value, source_ip, target_ip) AS victim,
    any(host) AS device,
    any(user) AS account,
    any(source_ip) AS src,
    any(target_ip) AS dst,
    arraySort(groupUniqArray(toString(source))) AS sources,
    count() AS events,
    min(at) AS first,
    max(at) AS last,
    argMax(event_id, (at, event_id)) AS event,
    argMax(ingested, (at, event_id)) AS seen,
    max(toUInt8(demo)) AS demo
FROM
(
    SELECT source, host, user, at, ingested, event_id, demo,
           if(src_ip = toIPv6('::'), '', replaceOne(IPv6NumToString(src_ip), '::ffff:', '')) AS source_ip,
           if(dst_ip = toIPv6('::'), '', replaceOne(IPv6NumToString(dst_ip), '::ffff:', '')) AS target_ip,
           arrayJoin(arrayDistinct(arrayFilter(v -> v != '' AND has(wanted, v), arrayConcat([source_ip, target_ip, lower(domain), url, sha256], mapValues(attrs))))) AS value
    FROM riposte.events
    WHERE tenant = {tenant:String} AND at >= toDateTime64({from:String}, 3, 'UTC') AND at < toDateTime64({until:String}, 3, 'UTC')
      AND (has(addresses, src_ip) OR has(addresses, dst_ip) OR has(wanted, lower(domain)) OR has(wanted, url) OR has(wanted, sha256) OR hasAny(mapValues(attrs), wanted))
      AND event_id NOT IN (
        SELECT event_id FROM riposte.signals
        WHERE tenant = {tenant:String} AND has({rules:Array(String)}, toString(rule)) AND at >= toDateTime64({from:String}, 3, 'UTC') - INTERVAL 1 DAY)
)
GROUP BY value, victim_kind, victim
ORDER BY value, victim_kind, victim
LIMIT 10000
SETTINGS max_execution_time = 600, max_threads = 2;
