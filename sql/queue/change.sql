-- Apply one leased batch of change lines and finish it, in one statement: all of it happens, or none.
-- A change line is an instruction about a row of ours: what a person decided, an undo, a deletion.
-- Caller: queue.completion.complete, in a transaction of its own, once per lease.
-- Composed per entity and range of queue numbers, as complete.sql.
-- Index: sync_batch_pkey (fence), the key of the lines, the target's key, sync_record_pkey.
-- Reads payload -> '_change', made by SQL: action (update, keep, delete, create), local_id, expect and
--   values by column, is_whole, base, content_hash, tombstone ('' takes one away), policy,
--   sets_aside (what sync_record.set_aside becomes; '' NULL),
--   conflict_no, conflict_version and conflict_ends (resolved or skipped), by, why.
-- Why expect: nobody's edit is overwritten that was not seen when the change was made. A field that
--   is neither what was expected nor what it is to become has moved.
-- Why rows are locked and written in the order of their keys: overlapping batches would deadlock.
{decide},
stored AS (
    INSERT INTO {target} AS target (id, org_id, {columns})
    SELECT o.current_id, %(org_id)s::sync_org_id, {mixed_columns}
    FROM outcome AS o
    CROSS JOIN LATERAL jsonb_populate_record(NULL::{target}, o.final) AS mixed
    WHERE o.result = 'updated' OR o.result = 'deleted' AND o.effect = 'update' AND o.final <> o.ours
    ON CONFLICT (id) DO UPDATE
    SET ({columns}) = ROW ({excluded_columns}), updated_at = now()
),
-- Put back whole, with what the company keeps in columns of its own.
restored AS MATERIALIZED (
    SELECT sync_restore_rows({target_name}, jsonb_agg(o.values || jsonb_build_object(
        'id', o.local_id, 'org_id', %(org_id)s::sync_org_id))) AS n_restored
    FROM outcome AS o WHERE o.result = 'created'
),
archived AS (
    INSERT INTO sync_archive (
        org_id, connection_id, entity, external_id, local_id, queue_no, contents)
    SELECT %(org_id)s::sync_org_id, %(connection_id)s, %(entity)s, external_id, local_id,
        %(queue_no)s, contents
    FROM outcome WHERE result = 'deleted' AND effect = 'delete' AND policy = 'archive'
),
-- By their keys: a join walks the whole archive for every batch.
unarchived AS (
    UPDATE sync_archive AS a SET restored_at = now()
    WHERE a.connection_id = %(connection_id)s AND a.entity = %(entity)s
      AND a.external_id = ANY (ARRAY(SELECT external_id FROM outcome WHERE result = 'created'))
      AND a.restored_at IS NULL
),
removed AS (
    DELETE FROM {target} WHERE id = ANY (ARRAY(
        SELECT current_id FROM outcome WHERE result = 'deleted' AND effect = 'delete'))
),
remembered AS (
    INSERT INTO sync_record AS record (
        connection_id, entity, external_id, org_id, local_id, content_hash, origin,
        origin_queue_no, applied_queue_no, base, tombstoned_at, tombstone_reason, set_aside,
        absence_count)
    SELECT %(connection_id)s, %(entity)s, o.external_id, %(org_id)s::sync_org_id, o.local_id,
        coalesce(o.content_hash, o.known_hash, '00000000-0000-0000-0000-000000000000'),
        CASE o.result WHEN 'created' THEN 'created' ELSE 'matched' END, %(queue_no)s, %(queue_no)s,
        -- Not of fields that were left as they are.
        coalesce(o.known_base || (o.base - o.moved), o.base - o.moved, o.known_base),
        CASE WHEN o.result = 'created' OR o.tombstone = '' THEN NULL
             WHEN o.tombstone IS NULL OR o.code IS NOT NULL THEN o.tombstoned_at
             ELSE coalesce(o.tombstoned_at, now()) END,
        CASE WHEN o.result = 'created' OR o.tombstone = '' THEN NULL
             WHEN o.code IS NOT NULL THEN o.tombstone_reason
             ELSE coalesce(o.tombstone, o.tombstone_reason) END,
        nullif(coalesce(o.sets_aside, o.set_aside), ''),
        -- 1: as it was. What an undo does to fields says nothing about where the record is.
        CASE WHEN o.known_id IS NULL OR o.conflict_no IS NOT NULL OR o.tombstone IS NOT NULL
             THEN 0 ELSE 1 END
    FROM outcome AS o
    WHERE o.code IS NULL OR o.code = 'conflict.data_mismatch' AND o.effect = 'update'
    ORDER BY o.external_id
    ON CONFLICT (connection_id, entity, external_id) DO UPDATE
    SET content_hash = EXCLUDED.content_hash, base = EXCLUDED.base,
        local_id = EXCLUDED.local_id, applied_queue_no = EXCLUDED.applied_queue_no,
        applied_at = now(), tombstoned_at = EXCLUDED.tombstoned_at,
        tombstone_reason = EXCLUDED.tombstone_reason, set_aside = EXCLUDED.set_aside,
        absence_count = CASE EXCLUDED.absence_count WHEN 0 THEN 0 ELSE record.absence_count END,
        absent_queue_no = CASE EXCLUDED.absence_count WHEN 0 THEN NULL
                          ELSE record.absent_queue_no END
),
-- Found by number first and then by place, as in complete.sql.
written AS (
    UPDATE {line} AS l
    SET state = CASE WHEN o.code IS NULL THEN 'done' ELSE 'failed' END,
        process_count = l.process_count + 1,
        error_count = l.error_count + CASE WHEN o.code IS NULL THEN 0 ELSE 1 END,
        error_code = o.code,
        error_message = CASE WHEN o.code IS NOT NULL THEN o.reason END,
        last_error_at = CASE WHEN o.code IS NULL THEN l.last_error_at ELSE now() END
    FROM outcome AS o
    CROSS JOIN LATERAL (
        SELECT s.ctid FROM {line} AS s
        WHERE s.queue_no = %(queue_no)s AND s.line_no = o.line_no
        OFFSET 0
    ) AS place
    WHERE (o.code IS NOT NULL OR EXISTS (SELECT FROM batch WHERE pass > 1))
      AND l.ctid = place.ctid
),
disputed AS (
    INSERT INTO sync_conflict AS conflict (
        org_id, connection_id, entity, external_id, queue_no, line_no, conflict_type, message,
        details)
    SELECT %(org_id)s::sync_org_id, %(connection_id)s, %(entity)s, o.external_id, %(queue_no)s,
        o.line_no, 'DataMismatch', o.reason,
        jsonb_build_object(
            'code', CASE o.action WHEN 'delete' THEN 'conflict.edited_here' ELSE o.code END,
            'local_id', o.current_id, 'action', o.action, 'fields', (
                SELECT jsonb_object_agg(field, jsonb_build_object('base', o.expect -> field,
                    'ours', o.ours -> field, 'theirs', o.values -> field))
                FROM unnest(o.moved) AS field),
            'base', o.known_base, 'ours', o.final,
            'theirs', CASE WHEN o.action = 'update' THEN o.final || o.values END,
            'merged', o.final, 'change', jsonb_build_object(
                'values', o.values, 'policy', o.policy, 'tombstone', o.tombstone),
            'settles', jsonb_build_object('base', coalesce(o.base, '{{}}'),
                'content_hash', o.content_hash))
    FROM outcome AS o WHERE o.code = 'conflict.data_mismatch'
    ON CONFLICT (connection_id, entity, external_id, conflict_type) WHERE state = 'open'
    DO UPDATE SET queue_no = EXCLUDED.queue_no, line_no = EXCLUDED.line_no,
        message = EXCLUDED.message, details = EXCLUDED.details, updated_at = now(),
        version = conflict.version
            + CASE WHEN conflict.details IS DISTINCT FROM EXCLUDED.details THEN 1 ELSE 0 END
),
-- What a person decided about: settled, or to be looked at once more.
decided AS (
    UPDATE sync_conflict AS c
    SET updated_at = now(), resolution_queue_no = %(queue_no)s,
        state = CASE WHEN o.code IS NULL THEN coalesce(o.conflict_ends, 'resolved') ELSE c.state END,
        strategy = CASE WHEN o.code IS NULL AND o.conflict_ends = 'skipped' THEN 'Skip'
                        ELSE c.strategy END,
        resolved_at = CASE WHEN o.code IS NULL THEN now() ELSE c.resolved_at END,
        resolved_by = CASE WHEN o.code IS NULL THEN o.by ELSE c.resolved_by END,
        resolution = CASE WHEN o.code IS NULL THEN o.why ELSE c.resolution END,
        version = c.version + CASE WHEN o.code IS NULL THEN 0 ELSE 1 END
    FROM outcome AS o
    WHERE c.conflict_no = o.conflict_no AND c.state = 'open'
),
-- What an undo asked about, once its line went well when it was tried again, or the record is retired.
settled AS (
    UPDATE sync_conflict AS c
    SET state = 'resolved', resolved_at = now(), resolved_by = 'sync', updated_at = now(),
        resolution = CASE WHEN c.queue_no = %(queue_no)s THEN 'went well when it was tried again'
                          ELSE 'the record was retired' END
    FROM outcome AS o
    WHERE c.connection_id = %(connection_id)s AND c.entity = %(entity)s
      AND c.external_id = o.external_id AND c.state = 'open' AND c.details ? 'change'
      AND o.code IS NULL AND o.conflict_no IS NULL
      AND (c.queue_no = %(queue_no)s OR o.tombstone <> '')
),
audited AS (
    INSERT INTO {activity} (
        queue_no, line_no, org_id, activity_type, status, message, before, after, details)
    SELECT
        %(queue_no)s, o.line_no, %(org_id)s::sync_org_id,
        CASE WHEN o.code IS NOT NULL AND o.result <> 'updated' THEN 'record_failed'
             ELSE 'record_' || o.result END,
        CASE WHEN o.code IS NULL THEN 'success' WHEN o.result = 'updated' THEN 'warning'
             ELSE 'error' END,
        CASE WHEN o.code IS NOT NULL THEN o.reason END,
        CASE o.result WHEN 'deleted' THEN o.contents WHEN 'updated' THEN o.before END,
        CASE WHEN o.result = 'created' THEN o.values
             -- A row that stays, marked.
             WHEN o.result = 'deleted' AND o.effect = 'update' THEN o.contents || o.wanted
             WHEN o.result = 'updated' THEN o.after END,
        jsonb_strip_nulls(jsonb_build_object(
            'external_id', o.external_id, 'by', o.by, 'why', o.why, 'code', o.code,
            'tombstone', CASE WHEN o.code IS NULL OR o.tombstone = '' THEN o.tombstone END))
            || CASE WHEN o.result NOT IN ('updated', 'deleted') OR o.edited_base IS NULL THEN '{{}}'
                    ELSE jsonb_build_object('base', o.edited_base) END
    FROM outcome AS o
),
tally AS MATERIALIZED (
    SELECT
        count(*) FILTER (WHERE result = 'created' AND code IS NULL)::integer AS n_created,
        count(*) FILTER (WHERE result = 'updated' AND code IS NULL)::integer AS n_updated,
        count(*) FILTER (WHERE result = 'unchanged' AND code IS NULL)::integer AS n_unchanged,
        count(*) FILTER (WHERE result = 'deleted' AND code IS NULL)::integer AS n_deleted,
        count(*) FILTER (WHERE code IS NOT NULL)::integer AS n_failed,
        -- Asked for, so that it is done.
        (SELECT n_restored FROM restored) AS n_restored
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
    0 AS n_retried, tally.n_restored
