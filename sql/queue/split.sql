-- Cut a batch that the database refused into two, so that its bad line is alone in the end.
-- Caller: queue.completion.split, when the refused transaction was rolled back, and after hold.sql.
-- Index: sync_batch_pkey, sync_line_pkey.
-- Only in pass 1: there no line of the batch is done, so the counters of both halves are zero.
WITH batch AS MATERIALIZED (
    SELECT * FROM sync_batch
    WHERE queue_no = %(queue_no)s AND batch_no = %(batch_no)s
      AND state = 'processing' AND token = %(token)s AND pass = 1 AND first_line < last_line
    FOR UPDATE
),
half AS MATERIALIZED (
    SELECT
        first_line + (last_line - first_line) / 2 AS middle,
        (SELECT count(*) FROM sync_line AS l
         WHERE l.queue_no = batch.queue_no
           AND l.line_no BETWEEN batch.first_line
           AND batch.first_line + (batch.last_line - batch.first_line) / 2)::integer AS n_first,
        (SELECT max(batch_no) FROM sync_batch WHERE queue_no = %(queue_no)s) AS last_batch_no
    FROM batch
),
second AS (
    INSERT INTO sync_batch (queue_no, batch_no, org_id, first_line, last_line, n_total)
    SELECT batch.queue_no, half.last_batch_no + 1, batch.org_id, half.middle + 1,
        batch.last_line, batch.n_total - half.n_first
    FROM batch, half
)
UPDATE sync_batch AS b
SET state = 'ready', lease_until = NULL, last_line = half.middle, n_total = half.n_first,
    attempt = 0
FROM batch, half
WHERE b.queue_no = batch.queue_no AND b.batch_no = batch.batch_no
RETURNING b.batch_no
