-- The newest orchestration of the same request, while a queue of it is open.
-- Caller: queue.orchestrations.starting, after alone.sql.
-- Index: sync_orchestration_request_idx, sync_orchestration_item_pkey, sync_queue_pkey.
SELECT newest.orchestration_no
FROM (
    SELECT orchestration_no FROM sync_orchestration
    WHERE org_id = %(org_id)s::sync_org_id AND request_hash = %(request_hash)s
      AND cancelled_at IS NULL
    ORDER BY orchestration_no DESC LIMIT 1
) AS newest
WHERE EXISTS (
    SELECT FROM sync_orchestration_item AS i
    JOIN sync_queue AS q ON q.queue_no = i.queue_no
    WHERE i.orchestration_no = newest.orchestration_no AND q.stage <> 'finished')
