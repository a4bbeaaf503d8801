-- Cut the lines of a queue into batches.
-- Caller: stages.enqueue, after lines.sql, in the same transaction.
-- Index: sync_line_pkey.
INSERT INTO sync_batch (queue_no, batch_no, org_id, first_line, last_line, n_total)
SELECT %(queue_no)s, (line_no - 1) / %(batch_size)s + 1, %(org_id)s::sync_org_id,
    min(line_no), max(line_no), count(*)
FROM sync_line
WHERE queue_no = %(queue_no)s
GROUP BY (line_no - 1) / %(batch_size)s
