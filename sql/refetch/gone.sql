-- Cancel lines whose record the store does not have any more; what was disputed about it is settled.
-- Caller: stages.refetch, after actions/hold.sql in its transaction: counters and lines go together.
-- Index: sync_line_external_idx, sync_batch_lines_idx, sync_batch_pkey, sync_conflict_open_idx.
-- A batch without a pending line left is completed by whoever claims it next.
WITH gone AS (
    UPDATE sync_line
    SET state = 'cancelled', error_code = 'queue.record_gone', error_message = %(message)s
    WHERE queue_no = %(queue_no)s AND external_id = ANY (%(external_ids)s)
      AND state = 'draft' AND error_code IS NULL AND payload ? '_invalid'
    RETURNING line_no, external_id
),
tally AS (
    SELECT batch.batch_no, count(*)::integer AS n_gone
    FROM gone
    CROSS JOIN LATERAL (
        SELECT b.batch_no FROM sync_batch AS b
        WHERE b.queue_no = %(queue_no)s AND b.first_line <= gone.line_no
        ORDER BY b.first_line DESC LIMIT 1
    ) AS batch
    GROUP BY batch.batch_no
),
counted AS (
    UPDATE sync_batch AS b SET n_cancelled = b.n_cancelled + tally.n_gone
    FROM tally
    WHERE b.queue_no = %(queue_no)s AND b.batch_no = tally.batch_no
),
settled AS (
    UPDATE sync_conflict AS c
    SET state = 'resolved', resolved_at = now(), resolved_by = 'sync', resolution = %(message)s,
        updated_at = now()
    FROM gone
    WHERE c.connection_id = %(connection_id)s AND c.entity = %(entity)s
      AND c.external_id = gone.external_id AND c.state = 'open'
)
INSERT INTO sync_activity (queue_no, line_no, org_id, activity_type, status, message, details)
SELECT %(queue_no)s, line_no, %(org_id)s::sync_org_id, 'record_cancelled', 'warning', %(message)s,
    jsonb_build_object('code', 'queue.record_gone', 'external_id', external_id)
FROM gone
