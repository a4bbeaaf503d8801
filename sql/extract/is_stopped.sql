-- Whether an operator wants the queue to stop; that a page landed is noted with it.
-- Caller: stages.landing.land, once a page. Index: sync_queue_pkey.
UPDATE sync_queue SET last_process_date = now()
WHERE queue_no = %(queue_no)s
RETURNING is_paused OR cancelled_at IS NOT NULL OR forced_done_at IS NOT NULL AS is_stopped
