-- Give the failed lines of a queue their tries back, and open it again where it was finished.
-- Caller: queue.actions.retry, after actions/hold.sql.
-- Index: sync_line_written_idx, sync_record_pkey, sync_batch_lines_idx, sync_batch_pkey,
--   sync_line_pkey, sync_page_pkey, sync_queue_pkey, sync_conflict_record_idx, sync_queue_open_idx (unique: another open
--   queue is refused).
-- Why a new pass: lines that were never written follow their batch in pass 1 and are done in later
--   ones. Why attempt starts at the passes so far: the difference counts claims that came to nothing.
-- Why superseded: a later sync has applied newer content of the record, or met it and failed;
--   ours would undo it, or be asked about in its place.
-- Why the code is cleared: a record that the store could not serve is read again (refetch) while its
--   line has none.
WITH failed AS MATERIALIZED (
    SELECT
        l.line_no, l.external_id,
        EXISTS (
            SELECT FROM sync_record AS r
            WHERE r.connection_id = %(connection_id)s AND r.entity = %(entity)s
              AND r.external_id = l.external_id AND r.applied_queue_no > %(queue_no)s
        ) OR EXISTS (
            SELECT FROM sync_conflict AS c
            WHERE c.connection_id = %(connection_id)s AND c.entity = %(entity)s
              AND c.external_id = l.external_id AND c.state <> 'resolved'
              AND c.queue_no > %(queue_no)s AND NOT c.details ? 'change'
        ) AS is_superseded
    FROM sync_line AS l
    WHERE l.queue_no = %(queue_no)s AND l.state IS NOT NULL AND l.state = 'failed'
),
written AS (
    UPDATE sync_line AS l
    SET state = CASE WHEN failed.is_superseded THEN 'cancelled' ELSE 'draft' END,
        error_count = 0,
        error_code = CASE WHEN failed.is_superseded THEN 'queue.superseded' END,
        error_message = CASE WHEN failed.is_superseded
                             THEN 'a later sync met the record' END
    FROM failed
    WHERE l.queue_no = %(queue_no)s AND l.line_no = failed.line_no
),
tally AS MATERIALIZED (
    SELECT batch.batch_no,
        count(*) FILTER (WHERE NOT failed.is_superseded)::integer AS n_retried,
        count(*) FILTER (WHERE failed.is_superseded)::integer AS n_superseded
    FROM failed
    CROSS JOIN LATERAL (
        SELECT b.batch_no FROM sync_batch AS b
        WHERE b.queue_no = %(queue_no)s AND b.first_line <= failed.line_no
        ORDER BY b.first_line DESC LIMIT 1
    ) AS batch
    GROUP BY batch.batch_no
),
opened AS (
    UPDATE sync_batch AS b
    SET n_failed = b.n_failed - tally.n_retried - tally.n_superseded,
        n_cancelled = b.n_cancelled + tally.n_superseded,
        state = CASE WHEN tally.n_retried > 0 THEN 'ready' ELSE b.state END,
        pass = b.pass + CASE WHEN tally.n_retried > 0 THEN 1 ELSE 0 END,
        attempt = CASE WHEN tally.n_retried > 0 THEN b.pass ELSE b.attempt END,
        token = b.token + CASE WHEN tally.n_retried > 0 THEN 1 ELSE 0 END,
        lease_until = CASE WHEN tally.n_retried > 0 THEN NULL ELSE b.lease_until END,
        available_at = CASE WHEN tally.n_retried > 0 THEN now() ELSE b.available_at END,
        finished_at = CASE WHEN tally.n_retried > 0 THEN NULL ELSE b.finished_at END
    FROM tally
    WHERE b.queue_no = %(queue_no)s AND b.batch_no = tally.batch_no
),
audited AS (
    INSERT INTO sync_activity (queue_no, line_no, org_id, activity_type, status, message, details)
    SELECT %(queue_no)s, line_no, %(org_id)s::sync_org_id, 'record_superseded', 'info',
        'a later sync met the record',
        jsonb_build_object('code', 'queue.superseded', 'external_id', external_id)
    FROM failed WHERE is_superseded
)
UPDATE sync_queue
SET stage = CASE WHEN EXISTS (SELECT FROM failed) THEN 'apply' ELSE stage END,
    finished_at = CASE WHEN EXISTS (SELECT FROM failed) THEN NULL ELSE finished_at END,
    -- What it said holds no more; the run that finishes the queue compares again. Without pages it
    -- could not, and what was said while there were some is all that will be known.
    reconciliation = CASE
        WHEN EXISTS (SELECT FROM failed)
            AND EXISTS (SELECT FROM sync_page WHERE queue_no = %(queue_no)s) THEN NULL
        ELSE reconciliation
    END,
    certificate = CASE
        WHEN EXISTS (SELECT FROM failed)
            AND EXISTS (SELECT FROM sync_page WHERE queue_no = %(queue_no)s) THEN NULL
        ELSE certificate
    END,
    is_action_required = false, action_required_reason = NULL, retry_at = NULL,
    failure_count = 0, last_error_code = NULL, last_error = NULL, updated_at = now()
WHERE queue_no = %(queue_no)s
RETURNING (SELECT count(*) FROM failed WHERE NOT is_superseded) AS n_retried,
    (SELECT count(*) FROM failed WHERE is_superseded) AS n_superseded
