-- Whether a page of the queue landed lately: who reads for it shows life.
-- Caller: stages.turns, while it waits. Index: sync_queue_pkey.
SELECT coalesce(last_process_date > now() - make_interval(secs => %(patience_seconds)s), false)
    AS is_read
FROM sync_queue WHERE queue_no = %(queue_no)s
