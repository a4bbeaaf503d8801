-- Ids of the queues that runs over all entities work: by orchestration and connection.
-- Caller: queue.life.queues_together, as sync_control, when such runs have not ended.
-- Index: sync_orchestration_id_key, sync_orchestration_item_pkey, sync_queue_pkey.
SELECT o.id::text AS orchestration_id, c.name AS connection, q.id::text AS queue_id
FROM sync_orchestration AS o
JOIN sync_orchestration_item AS i ON i.orchestration_no = o.orchestration_no
JOIN sync_connection AS c ON c.connection_id = i.connection_id
JOIN sync_queue AS q ON q.queue_no = i.queue_no
WHERE o.id = ANY (%(orchestration_ids)s::uuid[])
ORDER BY c.name, i.place
