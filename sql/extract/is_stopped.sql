-- Whether an operator wants the queue to stop, and the lease on its stage renewed.
-- Caller: stages.landing.land, once a page. Index: sync_queue_pkey.
UPDATE sync_queue
SET stage_lease_until = now() + make_interval(secs => %(seconds)s), last_process_date = now()
WHERE queue_no = %(queue_no)s
RETURNING is_paused OR cancelled_at IS NOT NULL AS is_stopped
