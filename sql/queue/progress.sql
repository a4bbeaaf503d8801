-- Every number of one queue, when its lines began to be applied, and how many were lately.
-- Caller: queue.progress. Index: sync_queue_pkey, sync_batch_pkey, sync_activity_queue_idx (the row
--   that is looked for is among the first of its queue).
SELECT s.*, applying.began_at AS apply_began_at, lately.n_lines AS recent_count
FROM sync_queue_status AS s
LEFT JOIN LATERAL (
    SELECT a.created_at AS began_at FROM sync_activity AS a
    WHERE a.queue_no = s.queue_no AND a.activity_type = 'enqueue_completed'
    ORDER BY a.created_at LIMIT 1
) AS applying ON true
CROSS JOIN LATERAL (
    SELECT coalesce(sum(n_done + n_failed + n_cancelled), 0)::bigint AS n_lines
    FROM sync_batch AS b WHERE b.queue_no = s.queue_no AND b.finished_at > %(since_utc)s
) AS lately
WHERE s.queue_no = %(queue_no)s
