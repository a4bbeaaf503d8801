-- Queues that apply what was decided about chosen conflicts, and are not finished.
-- Caller: queue.conflicts.resolving. Composed: chosen.sql. Index: as there, sync_queue_pkey.
SELECT DISTINCT q.id
FROM ({chosen}) AS c JOIN sync_queue AS q ON q.queue_no = c.resolution_queue_no
WHERE q.stage <> 'finished'
