-- Queues whose id lies between two; two of them are enough to know that a prefix is not unique.
-- Caller: queue.lookup. Index: sync_queue_id_key.
SELECT id FROM sync_queue WHERE id BETWEEN %(lowest)s AND %(highest)s ORDER BY id LIMIT 2
