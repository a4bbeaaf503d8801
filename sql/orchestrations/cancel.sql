-- Mark an orchestration as cancelled while a queue of it is open; one row: it was not before.
-- Caller: queue.orchestrations.acting. Index: sync_orchestration_pkey, sync_orchestration_item_pkey,
--   sync_queue_pkey.
UPDATE sync_orchestration AS o SET cancelled_at = now()
WHERE o.orchestration_no = %(orchestration_no)s AND o.cancelled_at IS NULL
  AND EXISTS (
      SELECT FROM sync_orchestration_item AS i
      JOIN sync_queue AS q ON q.queue_no = i.queue_no
      WHERE i.orchestration_no = o.orchestration_no AND q.stage <> 'finished')
RETURNING o.orchestration_no
