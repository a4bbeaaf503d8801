-- Cut the lines of a queue into batches of equal size; line numbers may have gaps.
-- Caller: stages.enqueue, when every line is made, in the transaction that moves the queue on.
-- Index: sync_line_pkey, in order.
INSERT INTO sync_batch (queue_no, batch_no, org_id, first_line, last_line, n_total)
SELECT %(queue_no)s, (position - 1) / %(batch_size)s + 1, %(org_id)s::sync_org_id,
    min(line_no), max(line_no), count(*)
FROM (
    SELECT line_no, row_number() OVER (ORDER BY line_no) AS position
    FROM sync_line WHERE queue_no = %(queue_no)s
) AS line
GROUP BY (position - 1) / %(batch_size)s
