-- Note why a run of the queue failed, and when to try again or what a person has to do.
-- Caller: queue.failures. Index: sync_queue_pkey.
-- A finished queue keeps the flag that its lines gave it: only its comparison failed.
UPDATE sync_queue
SET failure_count = failure_count + 1, last_error_code = %(code)s, last_error = %(message)s,
    retry_at = clock_timestamp() + make_interval(secs => %(retry_in_seconds)s::float8),
    is_action_required = is_action_required OR stage <> 'finished' AND %(reason)s::text IS NOT NULL,
    action_required_reason = CASE WHEN stage <> 'finished' AND %(reason)s::text IS NOT NULL
        THEN %(reason)s::text ELSE action_required_reason END,
    updated_at = now()
WHERE queue_no = %(queue_no)s
RETURNING retry_at
