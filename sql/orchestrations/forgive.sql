-- Let the sensors go on with the open queues of an orchestration that wait for a person or for their
--   next attempt. What was paused stays so: resuming it is another word.
-- Caller: queue.orchestrations.starting, when it is started again or has joined queues.
-- Index: sync_orchestration_item_pkey, sync_queue_pkey.
UPDATE sync_queue AS q
SET is_action_required = false, action_required_reason = NULL, retry_at = NULL, updated_at = now()
FROM sync_orchestration_item AS i
WHERE i.orchestration_no = %(orchestration_no)s AND q.queue_no = i.queue_no
  AND q.stage <> 'finished' AND NOT q.is_paused
  AND (q.is_action_required OR q.retry_at IS NOT NULL)
