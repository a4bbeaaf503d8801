-- Keep the queues of a range as they are until this transaction ends, and look again: one may have
-- been retried meanwhile. Caller: queue.retention. Index: sync_queue_pkey.
WITH held AS MATERIALIZED (
    SELECT finished_at FROM sync_queue
    WHERE queue_no >= %(first_queue_no)s AND queue_no < %(beyond_queue_no)s
    ORDER BY queue_no
    FOR UPDATE
)
SELECT coalesce(bool_and(coalesce(finished_at < %(before_utc)s, false)), true) AS is_over FROM held
