-- Cut the lines of retired records of a preview into batches, behind all others.
-- Caller: stages.enqueue, in the transaction that moves the queue on. Index: sync_line_pkey.
INSERT INTO sync_batch (queue_no, batch_no, org_id, first_line, last_line, n_total, operation)
SELECT %(queue_no)s, last.batch_no + 1 + numbered.place / %(batch_size)s, %(org_id)s::sync_org_id,
    min(numbered.line_no), max(numbered.line_no), count(*), 'change'
FROM (
    SELECT line_no, row_number() OVER (ORDER BY line_no) - 1 AS place
    FROM sync_line WHERE queue_no = %(queue_no)s AND line_no < 0
) AS numbered
CROSS JOIN (
    SELECT coalesce(max(batch_no), 0) AS batch_no FROM sync_batch WHERE queue_no = %(queue_no)s
) AS last
GROUP BY last.batch_no, numbered.place / %(batch_size)s
