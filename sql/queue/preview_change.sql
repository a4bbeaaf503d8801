-- Show what one leased batch of change lines would come to, and finish it; nothing of ours is written.
-- Caller: queue.completion.complete, in a transaction of its own, once per lease of a preview.
-- Composed per entity and range of queue numbers, as change.sql, with the same decide_change.sql.
-- Index: those of decide_change.sql; the key of the lines.
{decide},
written AS (
    UPDATE {line} AS l
    SET shown = jsonb_strip_nulls(jsonb_build_object('result', t.would, 'code', t.code)),
        expected = t.fingerprint,
        state = CASE WHEN t.code IS NOT NULL THEN 'failed'
                     WHEN EXISTS (SELECT FROM batch WHERE pass > 1) THEN 'done' END,
        process_count = l.process_count + 1,
        error_count = l.error_count + CASE WHEN t.code IS NULL THEN 0 ELSE 1 END,
        error_code = t.code,
        error_message = CASE WHEN t.code IS NOT NULL THEN t.reason END,
        last_error_at = CASE WHEN t.code IS NOT NULL THEN now() END
    FROM outcome AS t
    CROSS JOIN LATERAL (
        SELECT p.ctid FROM {line} AS p
        WHERE p.queue_no = %(queue_no)s AND p.line_no = t.line_no
        OFFSET 0
    ) AS place
    WHERE l.ctid = place.ctid
),
audited AS (
    INSERT INTO {activity} (
        queue_no, line_no, org_id, activity_type, status, message, before, after, details)
    SELECT
        %(queue_no)s, t.line_no, %(org_id)s::sync_org_id, 'preview_' || t.would,
        CASE WHEN t.code IS NULL THEN 'info' ELSE 'warning' END, t.reason,
        CASE WHEN t.would = 'deleted' AND t.effect = 'delete' THEN t.contents ELSE t.before END,
        t.after,
        jsonb_strip_nulls(jsonb_build_object(
            'external_id', t.external_id, 'code', t.code, 'policy', t.policy,
            'tombstone', t.tombstone))
    FROM outcome AS t
),
tally AS MATERIALIZED (
    SELECT
        count(*) FILTER (WHERE would = 'created')::integer AS n_created,
        count(*) FILTER (WHERE would = 'updated')::integer AS n_updated,
        count(*) FILTER (WHERE would = 'unchanged')::integer AS n_unchanged,
        count(*) FILTER (WHERE would = 'deleted')::integer AS n_deleted,
        count(*) FILTER (WHERE would = 'failed')::integer AS n_failed
    FROM outcome
)
UPDATE sync_batch AS b
SET state = 'done', lease_until = NULL,
    n_created = b.n_created + tally.n_created,
    n_updated = b.n_updated + tally.n_updated,
    n_unchanged = b.n_unchanged + tally.n_unchanged,
    n_deleted = b.n_deleted + tally.n_deleted,
    n_done = b.n_done + tally.n_created + tally.n_updated + tally.n_unchanged + tally.n_deleted,
    n_failed = b.n_failed + tally.n_failed,
    finished_at = now(), worked_at = clock_timestamp(),
    worked_count = CASE WHEN b.worked_at > now() - interval '60 s' THEN b.worked_count ELSE 0 END
        + tally.n_created + tally.n_updated + tally.n_unchanged + tally.n_deleted + tally.n_failed
FROM batch, tally
WHERE b.queue_no = batch.queue_no AND b.batch_no = batch.batch_no
RETURNING tally.n_created, tally.n_updated, tally.n_unchanged, tally.n_deleted, tally.n_failed,
    0 AS n_retried
