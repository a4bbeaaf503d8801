-- Fail every pending line of a leased batch with one reason, and finish the batch.
-- Caller: queue.completion.give_up, when the line is alone or a later pass is refused.
-- Index: sync_batch_pkey, sync_line_pkey.
WITH batch AS MATERIALIZED (
    SELECT * FROM sync_batch
    WHERE queue_no = %(queue_no)s AND batch_no = %(batch_no)s
      AND state = 'processing' AND token = %(token)s
    FOR UPDATE
),
failed AS (
    UPDATE sync_line AS l
    SET state = 'failed', process_count = l.process_count + 1, error_count = l.error_count + 1,
        error_code = %(code)s, error_message = %(message)s, last_error_at = now()
    FROM batch
    WHERE l.queue_no = batch.queue_no AND l.line_no BETWEEN batch.first_line AND batch.last_line
      AND CASE WHEN batch.pass = 1 THEN l.state IS NULL ELSE l.state = 'draft' END
    RETURNING l.line_no, l.external_id
),
audited AS (
    INSERT INTO sync_activity (
        queue_no, line_no, org_id, activity_type, status, message, details)
    SELECT %(queue_no)s, line_no, %(org_id)s::sync_org_id, 'record_failed', 'error', %(message)s,
        jsonb_build_object('code', %(code)s::text, 'external_id', external_id)
    FROM failed
),
disputed AS (
    INSERT INTO sync_conflict (
        org_id, connection_id, entity, external_id, queue_no, line_no, conflict_type, message,
        details)
    SELECT %(org_id)s::sync_org_id, %(connection_id)s, %(entity)s, external_id, %(queue_no)s,
        line_no, %(conflict_type)s, %(message)s, jsonb_build_object('code', %(code)s::text)
    FROM failed
    ON CONFLICT (connection_id, entity, external_id, conflict_type) WHERE state = 'open'
    DO UPDATE SET queue_no = EXCLUDED.queue_no, line_no = EXCLUDED.line_no,
        message = EXCLUDED.message, details = EXCLUDED.details, updated_at = now()
)
UPDATE sync_batch AS b
SET state = 'done', lease_until = NULL, finished_at = now(),
    n_failed = b.n_failed + (SELECT count(*) FROM failed)::integer,
    worked_at = clock_timestamp(),
    worked_count = CASE WHEN b.worked_at > now() - interval '60 s' THEN b.worked_count ELSE 0 END
        + (SELECT count(*) FROM failed)::integer
FROM batch
WHERE b.queue_no = batch.queue_no AND b.batch_no = batch.batch_no
RETURNING (SELECT count(*) FROM failed)::integer AS n_failed
