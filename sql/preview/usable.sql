-- Whether a preview can be applied: not cancelled, and all of its lines are kept.
-- Caller: queue.previews. Index: sync_queue_pkey, sync_batch_pkey, sync_line_pkey (its range).
SELECT q.cancelled_at IS NOT NULL AS is_cancelled,
    (SELECT coalesce(sum(n_total), 0) FROM sync_batch AS b WHERE b.queue_no = q.queue_no) AS n_total,
    (SELECT count(*) FROM sync_line AS l WHERE l.queue_no = q.queue_no) AS n_kept
FROM sync_queue AS q WHERE q.queue_no = %(queue_no)s
