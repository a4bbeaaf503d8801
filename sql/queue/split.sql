-- Cut a batch that the database refused into two, so that its bad line is alone in the end.
-- Caller: queue.completion.split, when the refused transaction was rolled back, and after hold.sql.
-- Index: sync_batch_pkey, sync_line_pkey.
-- Why in the middle of what is pending: a half without a pending line would find nothing out. One
--   pending line is alone already: no row, however many others of its batch came to an end.
-- In pass 1 every line is pending. Later, lines that were never written are done. Which of those were
--   created and which updated no line says, so each half gets some of either; sums stay as they were.
WITH batch AS MATERIALIZED (
    SELECT * FROM sync_batch
    WHERE queue_no = %(queue_no)s AND batch_no = %(batch_no)s
      AND state = 'processing' AND token = %(token)s
    FOR UPDATE
),
line AS MATERIALIZED (
    SELECT l.line_no, l.state,
        CASE WHEN batch.pass = 1 THEN l.state IS NULL
             ELSE coalesce(l.state = 'draft', false) END AS is_pending
    FROM batch JOIN sync_line AS l
        ON l.queue_no = %(queue_no)s AND l.line_no BETWEEN batch.first_line AND batch.last_line
),
half AS MATERIALIZED (
    SELECT middle.line_no AS middle,
        (SELECT max(batch_no) FROM sync_batch WHERE queue_no = %(queue_no)s) AS last_batch_no,
        count(*) FILTER (WHERE line.line_no > middle.line_no)::integer AS n_total,
        count(*) FILTER (WHERE line.line_no > middle.line_no AND NOT line.is_pending
            AND coalesce(line.state, 'done') = 'done')::integer AS n_done,
        count(*) FILTER (WHERE line.line_no > middle.line_no
            AND line.state = 'failed')::integer AS n_failed,
        count(*) FILTER (WHERE line.line_no > middle.line_no
            AND line.state = 'cancelled')::integer AS n_cancelled
    FROM line
    CROSS JOIN (
        SELECT line_no FROM line WHERE is_pending ORDER BY line_no
        LIMIT 1 OFFSET (SELECT (count(*) - 1) / 2 FROM line WHERE is_pending)
    ) AS middle
    GROUP BY middle.line_no
    HAVING count(*) FILTER (WHERE line.is_pending) > 1
),
shared AS MATERIALIZED (
    SELECT half.*, unchanged.n AS n_unchanged, updated.n AS n_updated,
        deleted.n AS n_deleted, half.n_done - unchanged.n - updated.n - deleted.n AS n_created
    FROM batch CROSS JOIN half
    CROSS JOIN LATERAL (SELECT least(batch.n_unchanged, half.n_done) AS n) AS unchanged
    CROSS JOIN LATERAL (SELECT least(batch.n_updated, half.n_done - unchanged.n) AS n) AS updated
    CROSS JOIN LATERAL (
        SELECT least(batch.n_deleted, half.n_done - unchanged.n - updated.n) AS n) AS deleted
),
second AS (
    INSERT INTO sync_batch (queue_no, batch_no, org_id, first_line, last_line, attempt, pass,
        operation, n_total, n_done, n_failed, n_cancelled, n_created, n_updated, n_unchanged,
        n_deleted)
    SELECT batch.queue_no, shared.last_batch_no + 1, batch.org_id, shared.middle + 1,
        batch.last_line, batch.pass - 1, batch.pass, batch.operation, shared.n_total, shared.n_done,
        shared.n_failed, shared.n_cancelled, shared.n_created, shared.n_updated,
        shared.n_unchanged, shared.n_deleted
    FROM batch, shared
)
UPDATE sync_batch AS b
SET state = 'ready', lease_until = NULL, last_line = shared.middle, attempt = b.pass - 1,
    n_total = b.n_total - shared.n_total, n_done = b.n_done - shared.n_done,
    n_failed = b.n_failed - shared.n_failed, n_cancelled = b.n_cancelled - shared.n_cancelled,
    n_created = b.n_created - shared.n_created, n_updated = b.n_updated - shared.n_updated,
    n_unchanged = b.n_unchanged - shared.n_unchanged, n_deleted = b.n_deleted - shared.n_deleted
FROM batch, shared
WHERE b.queue_no = batch.queue_no AND b.batch_no = batch.batch_no
RETURNING b.batch_no
