-- What decides whether a connection's next sync is due: its last whole one, its last full one,
--   whether one is open.
-- Caller: queue.due.connections_at, as sync_control, once a minute.
-- Index: sync_queue_latest_idx backwards from the newest, sync_queue_open_idx, sync_circuit_pkey.
-- A sync with filters is a look at a few records: it puts off nothing, and a window not even while
--   it is open. How much may be gone leaves nothing out. A cancelled one does: who cancels it does not want it again in a minute.
SELECT
    c.name AS connection, c.org_id::text AS org_id, c.options, c.created_at AS connected_at,
    EXISTS (
        SELECT FROM sync_queue AS q
        WHERE q.connection_id = c.connection_id AND q.entity = %(entity)s AND NOT q.is_window
          AND NOT q.is_beside AND q.stage <> 'finished'
    ) AS is_open,
    (SELECT q.created_at FROM sync_queue AS q
     WHERE q.connection_id = c.connection_id AND q.entity = %(entity)s
       AND q.filters - 'deletion_limit_percent' = '{}'
     ORDER BY q.created_at DESC LIMIT 1) AS last_started_at,
    (SELECT q.created_at FROM sync_queue AS q
     WHERE q.connection_id = c.connection_id AND q.entity = %(entity)s AND q.is_full
       AND q.filters - 'deletion_limit_percent' = '{}'
       AND q.created_at > now() - interval '1 day'
     ORDER BY q.created_at DESC LIMIT 1) AS last_full_at,
    (SELECT q.id::text FROM sync_queue AS q
     WHERE q.connection_id = c.connection_id AND q.entity = %(entity)s AND q.is_window
       AND q.stage <> 'finished') AS window_id,
    (SELECT s.open_until FROM sync_circuit AS s
     WHERE s.connection_id = c.connection_id) AS circuit_open_until
FROM sync_connection AS c
WHERE c.is_active AND c.system = %(system)s
