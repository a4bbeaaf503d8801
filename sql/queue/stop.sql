-- What an operator did that stops the work on a queue, who and why; no row: it may be worked.
-- Caller: queue.stops. Index: sync_queue_pkey, sync_activity_queue_idx (backwards: the action is
--   among the newest rows of its queue).
SELECT kind.word, action.by, action.reason
FROM sync_queue AS q
CROSS JOIN LATERAL (
    SELECT CASE WHEN q.cancelled_at IS NOT NULL THEN 'cancelled'
                WHEN q.forced_done_at IS NOT NULL THEN 'forced_done'
                WHEN q.is_paused THEN 'paused' END AS word
) AS kind
LEFT JOIN LATERAL (
    SELECT a.details ->> 'by' AS by, a.details ->> 'reason' AS reason
    FROM sync_activity AS a
    WHERE a.queue_no = q.queue_no AND a.activity_type = 'queue_' || kind.word
    ORDER BY a.created_at DESC LIMIT 1
) AS action ON true
WHERE q.queue_no = %(queue_no)s AND kind.word IS NOT NULL
