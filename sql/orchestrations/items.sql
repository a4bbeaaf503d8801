-- What an orchestration consists of, in dependency order within each connection.
-- Caller: queue.orchestrations.records. Index: sync_orchestration_item_pkey, sync_queue_pkey.
SELECT c.name AS connection, i.connection_id, c.system, i.entity, i.queue_no,
    q.id::text AS queue_id, i.refusal
FROM sync_orchestration_item AS i
JOIN sync_connection AS c ON c.connection_id = i.connection_id
LEFT JOIN sync_queue AS q ON q.queue_no = i.queue_no
WHERE i.orchestration_no = %(orchestration_no)s
ORDER BY c.name, i.place
