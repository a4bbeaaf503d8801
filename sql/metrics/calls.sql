-- Calls to stores since counting began, by connection and outcome, as sync_control.
-- Caller: queue.metrics, once a scrape. Index: none; a few rows a connection.
SELECT c.name AS connection, c.org_id::text AS organization, s.code, s.calls, s.seconds,
    s.waited_seconds, s.buckets
FROM sync_call_stat AS s
JOIN sync_connection AS c ON c.connection_id = s.connection_id
WHERE c.is_active
ORDER BY c.name, s.code
