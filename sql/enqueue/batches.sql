-- Cut the lines of a queue into batches of equal size; line numbers may have gaps.
-- Caller: stages.enqueue, when every line is made, in the transaction that moves the queue on;
--   whoever makes a queue of changes, in the transaction that opens it.
-- Index: sync_line_pkey, in order; sync_queue_pkey.
-- Numbers below 0 are those of change lines that have batches of their own (retired_batches.sql).
-- What its batches do with their lines follows from what the queue is (queue/filters.py).
INSERT INTO sync_batch (queue_no, batch_no, org_id, first_line, last_line, n_total, operation)
SELECT %(queue_no)s, (position - 1) / %(batch_size)s + 1, %(org_id)s::sync_org_id,
    min(line_no), max(line_no), count(*), (
        SELECT CASE WHEN q.filters ?| ARRAY['reverts', 'resolves'] THEN 'change'
                    WHEN q.filters ? 'preview' THEN 'preview'
                    WHEN q.filters ? 'applies' THEN 'checked'
                    ELSE 'upsert' END
        FROM sync_queue AS q WHERE q.queue_no = %(queue_no)s)
FROM (
    SELECT line_no, row_number() OVER (ORDER BY line_no) AS position
    FROM sync_line WHERE queue_no = %(queue_no)s AND line_no > 0
) AS line
GROUP BY (position - 1) / %(batch_size)s
