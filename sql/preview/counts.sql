-- How many records a preview shows as what. Caller: queue.differences.
-- Index: sync_queue_pkey, sync_batch_pkey, sync_line_written_idx (lines that were refused).
SELECT q.scanned_count AS read, b.created, b.updated, b.deleted,
    q.unchanged_count + b.unchanged AS unchanged,
    refused.in_conflict, b.failed - refused.in_conflict AS failed, q.is_complete
FROM sync_queue AS q
CROSS JOIN LATERAL (
    SELECT coalesce(sum(n_created), 0)::bigint AS created,
        coalesce(sum(n_updated), 0)::bigint AS updated,
        coalesce(sum(n_deleted), 0)::bigint AS deleted,
        coalesce(sum(n_unchanged), 0)::bigint AS unchanged,
        coalesce(sum(n_failed), 0)::bigint AS failed
    FROM sync_batch WHERE sync_batch.queue_no = q.queue_no
) AS b
CROSS JOIN LATERAL (
    SELECT count(*) AS in_conflict FROM sync_line AS l
    WHERE l.queue_no = q.queue_no AND l.state IS NOT NULL AND l.state = 'failed'
      AND l.error_code LIKE ANY ('{conflict.%%,duplicate.%%}')
) AS refused
WHERE q.queue_no = %(queue_no)s
