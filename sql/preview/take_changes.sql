-- Take over the change lines of a preview, with their batches, behind all others.
-- Caller: stages.applying, in the transaction that moves the queue on. Index: sync_batch_pkey,
--   sync_line_pkey. What they expect of our rows guards them, as in any sync.
WITH shown AS MATERIALIZED (
    SELECT batch_no, first_line, last_line FROM sync_batch
    WHERE queue_no = %(preview_no)s AND operation = 'change' AND first_line > 0
),
taken AS (
    INSERT INTO sync_line (queue_no, line_no, org_id, external_id, content_hash, payload, expected,
        shown)
    SELECT %(queue_no)s, l.line_no, %(org_id)s::sync_org_id, l.external_id, l.content_hash,
        l.payload, l.expected, l.shown
    FROM shown JOIN sync_line AS l
        ON l.queue_no = %(preview_no)s AND l.line_no BETWEEN shown.first_line AND shown.last_line
    ON CONFLICT DO NOTHING
    RETURNING line_no
)
INSERT INTO sync_batch (queue_no, batch_no, org_id, first_line, last_line, n_total, operation)
SELECT %(queue_no)s, last.batch_no + row_number() OVER (ORDER BY shown.first_line),
    %(org_id)s::sync_org_id, min(taken.line_no), max(taken.line_no), count(*), 'change'
FROM shown
JOIN taken ON taken.line_no BETWEEN shown.first_line AND shown.last_line
CROSS JOIN (
    SELECT coalesce(max(batch_no), 0) AS batch_no FROM sync_batch WHERE queue_no = %(queue_no)s
) AS last
GROUP BY shown.first_line, last.batch_no
RETURNING n_total
