-- What is pending in a leased batch cannot be applied: it tries again later, while it has tries left,
-- and fails for good after the last.
-- Caller: queue.completion.give_up, when the line is alone (split.sql found nothing to cut).
-- Index: sync_batch_pkey, sync_line_pkey.
WITH batch AS MATERIALIZED (
    SELECT b.*, q.filters ? 'preview' AS is_preview
    FROM sync_batch AS b JOIN sync_queue AS q USING (queue_no)
    WHERE b.queue_no = %(queue_no)s AND b.batch_no = %(batch_no)s
      AND b.state = 'processing' AND b.token = %(token)s
    FOR UPDATE OF b
),
written AS (
    UPDATE sync_line AS l
    SET state = CASE WHEN l.error_count < %(max_retries)s THEN 'draft' ELSE 'failed' END,
        process_count = l.process_count + 1, error_count = l.error_count + 1,
        error_code = %(code)s, error_message = %(message)s, last_error_at = now()
    FROM batch
    WHERE l.queue_no = %(queue_no)s AND l.line_no BETWEEN batch.first_line AND batch.last_line
      AND CASE WHEN batch.pass = 1 THEN l.state IS NULL ELSE coalesce(l.state = 'draft', false) END
    RETURNING l.line_no, l.external_id, l.content_hash, l.state = 'draft' AS is_retried,
        l.error_count
),
audited AS (
    INSERT INTO sync_activity (
        queue_no, line_no, org_id, activity_type, status, message, details)
    SELECT %(queue_no)s, line_no, %(org_id)s::sync_org_id,
        CASE WHEN batch.is_preview THEN 'preview_' ELSE 'record_' END
            || CASE WHEN is_retried THEN 'retried' ELSE 'failed' END,
        CASE WHEN is_retried THEN 'warning' ELSE 'error' END, %(message)s,
        jsonb_build_object('code', %(code)s::text, 'external_id', external_id)
    FROM written, batch
),
disputed AS (
    INSERT INTO sync_conflict AS conflict (
        org_id, connection_id, entity, external_id, queue_no, line_no, conflict_type, message,
        strategy, tries, next_try_at, details)
    SELECT %(org_id)s::sync_org_id, %(connection_id)s, %(entity)s, external_id, %(queue_no)s,
        line_no, %(conflict_type)s, %(message)s,
        CASE WHEN is_retried THEN 'AutoRetry' ELSE 'Manual' END, error_count,
        CASE WHEN is_retried THEN now() + make_interval(secs => %(backoff_seconds)s) END,
        jsonb_build_object('code', %(code)s::text, 'tries', error_count,
            'content_hash', content_hash)
    FROM written, batch
    WHERE (NOT is_retried OR %(conflict_type)s = 'DuplicateKey')
      -- Somebody skipped it, and the record is the same still.
      AND NOT EXISTS (
          SELECT FROM sync_conflict AS skipped
          WHERE skipped.connection_id = %(connection_id)s AND skipped.entity = %(entity)s
            AND skipped.external_id = written.external_id AND skipped.state = 'skipped'
            AND skipped.details ->> 'code' = %(code)s
            AND skipped.details ->> 'content_hash' = written.content_hash::text)
      AND NOT batch.is_preview
    ON CONFLICT (connection_id, entity, external_id, conflict_type) WHERE state = 'open'
    DO UPDATE SET queue_no = EXCLUDED.queue_no, line_no = EXCLUDED.line_no,
        message = EXCLUDED.message, details = EXCLUDED.details, updated_at = now(),
        strategy = EXCLUDED.strategy, tries = EXCLUDED.tries, next_try_at = EXCLUDED.next_try_at
),
tally AS MATERIALIZED (
    SELECT count(*) FILTER (WHERE is_retried)::integer AS n_retried,
        count(*) FILTER (WHERE NOT is_retried)::integer AS n_failed
    FROM written
)
UPDATE sync_batch AS b
SET state = CASE WHEN tally.n_retried > 0 THEN 'ready' ELSE 'done' END,
    pass = b.pass + CASE WHEN tally.n_retried > 0 THEN 1 ELSE 0 END,
    available_at = now() + make_interval(secs => %(backoff_seconds)s),
    lease_until = NULL, n_failed = b.n_failed + tally.n_failed,
    finished_at = CASE WHEN tally.n_retried > 0 THEN NULL ELSE now() END,
    worked_at = clock_timestamp(),
    worked_count = CASE WHEN b.worked_at > now() - interval '60 s' THEN b.worked_count ELSE 0 END
        + tally.n_failed
FROM batch, tally
WHERE b.queue_no = batch.queue_no AND b.batch_no = batch.batch_no
RETURNING tally.n_failed, tally.n_retried
