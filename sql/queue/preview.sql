-- Show what one leased batch would come to, and finish it, in one statement; nothing of ours is written.
-- Caller: queue.completion.complete, in a transaction of its own, once per lease.
-- Composed per entity and range of queue numbers, as complete.sql, with the same decide.sql: what is
--   shown is what would be done. No row of ours is locked.
-- Index: those of decide.sql; the key of the lines.
-- What another line of the same queue shows counts as done (preview_*.sql), so a line whose key is
--   taken tries again, as it would in a sync.
-- Its counts say what would happen.
{decide},
{shown},
-- Found by number first and then by place, as in complete.sql.
written AS (
    UPDATE {line} AS l
    SET shown = CASE WHEN s.is_retried THEN NULL ELSE s.telling END,
        shown_key = s.shown_key,
        expected = CASE WHEN s.is_retried THEN NULL ELSE s.fingerprint END,
        state = CASE WHEN s.is_retried THEN 'draft' WHEN s.result = 'failed' THEN 'failed'
                     WHEN EXISTS (SELECT FROM batch WHERE pass > 1) THEN 'done' END,
        process_count = l.process_count + 1,
        error_count = l.error_count + CASE s.result WHEN 'failed' THEN 1 ELSE 0 END,
        error_code = s.code,
        error_message = CASE s.result WHEN 'failed' THEN s.reason END,
        last_error_at = CASE s.result WHEN 'failed' THEN now() END
    FROM shown AS s
    CROSS JOIN LATERAL (
        SELECT p.ctid FROM {line} AS p
        WHERE p.queue_no = %(queue_no)s AND p.line_no = s.line_no
        OFFSET 0
    ) AS place
    WHERE l.ctid = place.ctid
),
audited AS (
    INSERT INTO {activity} (
        queue_no, line_no, org_id, activity_type, status, message, before, after, details)
    SELECT
        %(queue_no)s, s.line_no, %(org_id)s::sync_org_id, 'preview_' || s.result,
        CASE s.result WHEN 'failed' THEN 'warning' ELSE 'info' END,
        s.reason, s.before, s.after,
        jsonb_strip_nulls(jsonb_build_object(
            'external_id', s.external_id, 'code', s.code, 'fields', CASE
                WHEN s.code = 'conflict.data_mismatch' THEN (
                    SELECT jsonb_object_agg(field, jsonb_build_object('base', s.base -> field,
                        'ours', s.ours -> field, 'theirs', s.theirs -> field))
                    FROM unnest(s.disputed) AS field) END))
    FROM shown AS s
    WHERE s.is_retried IS NOT TRUE
),
tally AS MATERIALIZED (
    SELECT
        count(*) FILTER (WHERE result = 'created')::integer AS n_created,
        count(*) FILTER (WHERE result = 'updated')::integer AS n_updated,
        count(*) FILTER (WHERE result IN ('unchanged', 'superseded'))::integer AS n_unchanged,
        count(*) FILTER (WHERE result = 'failed' AND is_retried IS NOT TRUE)::integer AS n_failed,
        count(*) FILTER (WHERE is_retried)::integer AS n_retried
    FROM shown
)
UPDATE sync_batch AS b
SET state = CASE WHEN tally.n_retried > 0 THEN 'ready' ELSE 'done' END,
    pass = b.pass + CASE WHEN tally.n_retried > 0 THEN 1 ELSE 0 END,
    available_at = now() + make_interval(secs => %(backoff_seconds)s),
    lease_until = NULL,
    n_created = b.n_created + tally.n_created,
    n_updated = b.n_updated + tally.n_updated,
    n_unchanged = b.n_unchanged + tally.n_unchanged,
    n_done = b.n_done + tally.n_created + tally.n_updated + tally.n_unchanged,
    n_failed = b.n_failed + tally.n_failed,
    finished_at = CASE WHEN tally.n_retried > 0 THEN NULL ELSE now() END,
    worked_at = clock_timestamp(),
    worked_count = CASE WHEN b.worked_at > now() - interval '60 s' THEN b.worked_count ELSE 0 END
        + tally.n_created + tally.n_updated + tally.n_unchanged + tally.n_failed
FROM batch, tally
WHERE b.queue_no = batch.queue_no AND b.batch_no = batch.batch_no
RETURNING tally.n_created, tally.n_updated, tally.n_unchanged, 0 AS n_deleted, tally.n_failed,
    tally.n_retried
