-- Apply one leased batch and finish it, in one statement: all of it happens, or none.
-- Caller: queue.completion.complete, in a transaction of its own, once per lease.
-- Composed per entity and range of queue numbers: decide.sql, target and columns from its declaration,
--   the range's tables of lines and activity by name.
-- Why the range's tables and not the whole: an UPDATE by place (ctid) is right in one table only, and
--   what concerns the whole, such as dropping old ranges, does not wait for a batch or stop it.
-- Why new keys are made of time, chance and the line's number: they go to the right edge of the
--   index (RFC 9562, version 7), and cost 1 us instead of 6.
-- A race on the e-mail raises 23505: the caller tries the batch again, and then sees the other row.
{decide},
-- Created and updated rows in one statement, by key: an UPDATE joined to `outcome` has two join orders,
-- and a plan made while the table was empty walks the whole table for every batch.
stored AS (
    INSERT INTO {target} AS target (id, org_id, {columns})
    SELECT coalesce(o.current_id, o.new_id), %(org_id)s::sync_org_id, {final_columns}
    FROM outcome AS o
    LEFT JOIN LATERAL (
        SELECT p.* FROM jsonb_populate_record(NULL::{target}, o.merged) AS p
        WHERE o.merged IS NOT NULL
        OFFSET 0
    ) AS mixed ON true
    WHERE o.result IN ('created', 'updated')
    ON CONFLICT (id) DO UPDATE
    SET ({columns}) = ROW ({excluded_columns}), updated_at = now()
),
remembered AS (
    INSERT INTO sync_record AS record (
        connection_id, entity, external_id, org_id, local_id, content_hash, origin,
        origin_queue_no, applied_queue_no, base)
    SELECT %(connection_id)s, %(entity)s, external_id, %(org_id)s::sync_org_id,
        coalesce(target_id, new_id), content_hash,
        CASE result WHEN 'created' THEN 'created' ELSE 'matched' END, %(queue_no)s, %(queue_no)s,
        theirs
    FROM outcome
    WHERE result NOT IN ('failed', 'superseded')
    ORDER BY external_id
    ON CONFLICT (connection_id, entity, external_id) DO UPDATE
    SET content_hash = EXCLUDED.content_hash, local_id = EXCLUDED.local_id,
        -- Made again after somebody deleted it: created by this line, as the first time.
        origin = CASE EXCLUDED.origin WHEN 'created' THEN 'created' ELSE record.origin END,
        origin_queue_no = CASE EXCLUDED.origin WHEN 'created' THEN EXCLUDED.origin_queue_no
                          ELSE record.origin_queue_no END,
        applied_queue_no = EXCLUDED.applied_queue_no, applied_at = now(), base = EXCLUDED.base,
        tombstoned_at = NULL, tombstone_reason = NULL, absence_count = 0, absent_queue_no = NULL,
        set_aside = NULL
),
-- Lines are found by number first and then updated by place: joined directly, the planner may walk
-- the whole queue and look for each of its lines in the batch.
written AS (
    UPDATE {line} AS l
    SET state = CASE WHEN o.is_retried THEN 'draft' ELSE 'failed' END,
        process_count = l.process_count + 1, error_count = l.error_count + 1,
        error_code = o.code, error_message = o.reason, last_error_at = now()
    FROM outcome AS o
    CROSS JOIN LATERAL (
        SELECT s.ctid FROM {line} AS s
        WHERE s.queue_no = %(queue_no)s AND s.line_no = o.line_no
        OFFSET 0
    ) AS place
    WHERE o.result = 'failed' AND l.ctid = place.ctid
),
-- In a later pass a line that went well was written before, so it says so itself.
recovered AS (
    UPDATE {line} AS l
    SET state = 'done', process_count = l.process_count + 1
    FROM outcome AS o
    CROSS JOIN LATERAL (
        SELECT s.ctid FROM {line} AS s
        WHERE s.queue_no = %(queue_no)s AND s.line_no = o.line_no
        OFFSET 0
    ) AS place
    WHERE o.result <> 'failed' AND EXISTS (SELECT FROM batch WHERE pass > 1)
      AND l.ctid = place.ctid
),
disputed AS (
    INSERT INTO sync_conflict AS conflict (
        org_id, connection_id, entity, external_id, queue_no, line_no, conflict_type, message,
        strategy, tries, next_try_at, details)
    SELECT %(org_id)s::sync_org_id, %(connection_id)s, %(entity)s, external_id, %(queue_no)s,
        line_no,
        CASE WHEN code LIKE 'duplicate.%%' THEN 'DuplicateKey'
             WHEN code LIKE 'queue.%%' THEN 'RetryExhausted'
             WHEN code = 'conflict.data_mismatch' THEN 'DataMismatch'
             ELSE 'ValidationError' END,
        reason, CASE WHEN is_retried THEN 'AutoRetry' ELSE 'Manual' END, error_count + 1,
        CASE WHEN is_retried THEN now() + make_interval(secs => %(backoff_seconds)s) END,
        CASE WHEN code <> 'conflict.data_mismatch'
             THEN jsonb_build_object('code', code, 'content_hash', content_hash)
        ELSE jsonb_build_object(
            'code', code, 'local_id', current_id, 'fields', (
                SELECT jsonb_object_agg(field, jsonb_build_object(
                    'base', base -> field, 'ours', ours -> field, 'theirs', theirs -> field))
                FROM unnest(disputed) AS field),
            'base', base, 'ours', ours, 'theirs', theirs, 'merged', merged,
            -- What the record is taken to have once somebody has decided, either way.
            'settles', jsonb_build_object('base', theirs, 'content_hash', content_hash))
        END
    FROM outcome AS failed
    WHERE result = 'failed' AND (NOT is_retried OR code LIKE 'duplicate.%%')
      -- Somebody skipped it, and the record is the same still.
      AND NOT EXISTS (
          SELECT FROM sync_conflict AS skipped
          WHERE skipped.connection_id = %(connection_id)s AND skipped.entity = %(entity)s
            AND skipped.external_id = failed.external_id AND skipped.state = 'skipped'
            AND skipped.details ->> 'code' = failed.code
            AND skipped.details ->> 'content_hash' = failed.content_hash::text)
      -- What moved since a preview is no conflict: the next preview shows it.
      AND code <> 'preview.moved'
    ON CONFLICT (connection_id, entity, external_id, conflict_type) WHERE state = 'open'
    DO UPDATE SET queue_no = EXCLUDED.queue_no, line_no = EXCLUDED.line_no,
        message = EXCLUDED.message, details = EXCLUDED.details, updated_at = now(),
        strategy = EXCLUDED.strategy, tries = EXCLUDED.tries, next_try_at = EXCLUDED.next_try_at,
        version = conflict.version
            + CASE WHEN conflict.details IS DISTINCT FROM EXCLUDED.details THEN 1 ELSE 0 END
),
settled AS (
    UPDATE sync_conflict AS conflict
    SET state = 'resolved', resolved_at = now(), resolved_by = 'sync',
        next_try_at = NULL, updated_at = now(),
        resolution = CASE conflict.strategy WHEN 'AutoRetry' THEN 'went well when it was tried again'
                     ELSE 'a later sync applied the record' END
    FROM outcome AS o
    WHERE conflict.connection_id = %(connection_id)s AND conflict.entity = %(entity)s
      AND conflict.external_id = o.external_id AND conflict.state = 'open'
      AND o.result <> 'failed'
      -- Whether a field of the row gets its former value is still to be said, whatever the store says.
      AND NOT coalesce(
          conflict.details ? 'change' AND conflict.details ->> 'action' = 'update'
          AND (conflict.details ->> 'local_id')::uuid = o.target_id, false)
),
audited AS (
    INSERT INTO {activity} (
        queue_no, line_no, org_id, activity_type, status, message, before, after, details)
    SELECT
        %(queue_no)s, o.line_no, %(org_id)s::sync_org_id,
        CASE WHEN o.is_retried THEN 'record_retried' ELSE 'record_' || o.result END,
        CASE WHEN o.is_retried THEN 'warning' WHEN o.result = 'failed' THEN 'error'
             WHEN o.result = 'superseded' THEN 'info' ELSE 'success' END,
        o.reason, difference.before,
        CASE WHEN o.result = 'created' THEN o.final ELSE difference.after END,
        CASE WHEN o.result = 'failed'
             THEN jsonb_build_object('code', o.code, 'external_id', o.external_id)
             -- Back again: who takes this back retires it again.
             WHEN o.was_tombstone IS NOT NULL AND o.result <> 'superseded'
             THEN coalesce(kept.details, '{{}}')
                || jsonb_build_object('tombstone', '', 'was_tombstone', o.was_tombstone)
             WHEN o.merged IS NOT NULL THEN kept.details END
    FROM outcome AS o
    LEFT JOIN LATERAL (
        SELECT jsonb_object_agg(new.key, new.value) AS after,
            jsonb_object_agg(new.key, o.ours -> new.key) AS before
        FROM jsonb_each(o.final) AS new
        WHERE o.result = 'updated' AND new.value <> o.ours -> new.key
    ) AS difference ON o.result = 'updated'
    -- kept: fields in which our row is not what the record says, because of an edit here; base: what
    -- the record was taken to have in those whose edit gave way, for who takes it back.
    LEFT JOIN LATERAL (
        SELECT CASE WHEN edited.names IS NULL THEN '{{}}'
                    ELSE jsonb_build_object('kept', edited.names) END
            || CASE WHEN edited.base IS NULL THEN '{{}}'
                    ELSE jsonb_build_object('base', edited.base) END AS details
        FROM (
            SELECT jsonb_agg(field.key ORDER BY field.key)
                    FILTER (WHERE field.value <> o.theirs -> field.key) AS names,
                jsonb_object_agg(field.key, o.base -> field.key)
                    FILTER (WHERE field.value <> o.ours -> field.key
                        AND o.base -> field.key <> o.ours -> field.key) AS base
            FROM jsonb_each(o.merged) AS field
        ) AS edited
        WHERE edited.names IS NOT NULL OR edited.base IS NOT NULL
    ) AS kept ON o.merged IS NOT NULL
),
tally AS MATERIALIZED (
    SELECT
        count(*) FILTER (WHERE result = 'created')::integer AS n_created,
        count(*) FILTER (WHERE result = 'updated')::integer AS n_updated,
        count(*) FILTER (WHERE result IN ('unchanged', 'superseded'))::integer AS n_unchanged,
        count(*) FILTER (WHERE result = 'failed' AND NOT is_retried)::integer AS n_failed,
        count(*) FILTER (WHERE is_retried)::integer AS n_retried
    FROM outcome
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
    -- A batch that was worked twice within the minute that rates look at brought both.
    worked_count = CASE WHEN b.worked_at > now() - interval '60 s' THEN b.worked_count ELSE 0 END
        + tally.n_created + tally.n_updated + tally.n_unchanged + tally.n_failed
FROM batch, tally
WHERE b.queue_no = batch.queue_no AND b.batch_no = batch.batch_no
RETURNING tally.n_created, tally.n_updated, tally.n_unchanged, 0 AS n_deleted, tally.n_failed,
    tally.n_retried
