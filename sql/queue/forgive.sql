-- Let the sensors go on with an open queue that waited: for a person, or for its next attempt.
-- Caller: queue.failures.forgive. Index: sync_queue_pkey.
UPDATE sync_queue
SET is_action_required = false, action_required_reason = NULL, retry_at = NULL, updated_at = now()
WHERE queue_no = %(queue_no)s AND stage <> 'finished'
