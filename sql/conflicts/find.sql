-- Conflicts whose id lies between two, of whatever organization; two are enough to know that a prefix
--   is not unique. Caller: queue.conflicts.reading, as sync_control. Index: sync_conflict_id_key.
SELECT c.id, k.org_id::text AS org_id, k.name AS connection, c.entity
FROM sync_conflict AS c JOIN sync_connection AS k ON k.connection_id = c.connection_id
WHERE c.id BETWEEN %(lowest)s AND %(highest)s
ORDER BY c.id LIMIT 2
