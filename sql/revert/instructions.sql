-- What takes back what a queue did, one change a record, from its audit. Used by: revert/lines.sql,
--   revert/preview.sql, so that what is shown is what is done.
-- Index: sync_activity_queue_idx and sync_line_pkey, of one range; sync_record_pkey. As sets.
-- created: the row goes into sync_archive, if it still is what was made of the record. updated: the
--   changed fields get what they held before. deleted: the row comes back whole, or its mark goes.
-- expect is what the queue left: what somebody changed since is not overwritten (change.sql). Not of
--   late columns that it left empty, which are filled in here afterwards; nor of those of a row that it
--   created, whose customer or product an undo may have removed since.
-- base is what the record was taken to have before; where an edit here was overwritten, not the edit.
-- since: what was taken back before, is; of a queue that was worked again, only what it did then.
-- A line that failed in part and was tried again has several rows: what its fields held before the
--   first, and after the last.
-- is_shared: a record of another store has the same row (one e-mail, two shops): it stays.
-- Left to another record, or made again by another sync since it was created or removed: nothing is done
--   to it.
WITH again AS MATERIALIZED (
    SELECT a.line_no FROM sync_activity AS a
    WHERE a.queue_no = %(reverted_no)s AND a.line_no IS NOT NULL AND a.created_at > %(since)s
      AND (a.activity_type IN ('record_created', 'record_updated', 'record_deleted')
           OR a.activity_type = 'record_unchanged' AND a.details ? 'tombstone')
    GROUP BY a.line_no HAVING count(*) > 1
),
did AS (
    SELECT a.line_no, a.activity_type, a.before, a.after, a.details
    FROM sync_activity AS a
    WHERE a.queue_no = %(reverted_no)s AND a.line_no IS NOT NULL AND a.created_at > %(since)s
      AND (a.activity_type IN ('record_created', 'record_updated', 'record_deleted')
           OR a.activity_type = 'record_unchanged' AND a.details ? 'tombstone')
      AND a.line_no NOT IN (SELECT line_no FROM again)
    UNION ALL
    SELECT again.line_no, last.activity_type,
        CASE last.activity_type WHEN 'record_updated' THEN first_values.before ELSE last.before END,
        CASE last.activity_type WHEN 'record_updated' THEN last_values.after ELSE last.after END,
        last.details
    FROM again
    CROSS JOIN LATERAL (
        SELECT a.activity_type, a.before, a.after, a.details FROM sync_activity AS a
        WHERE a.queue_no = %(reverted_no)s AND a.line_no = again.line_no
              AND a.created_at > %(since)s
          AND a.activity_type IN ('record_created', 'record_updated', 'record_deleted')
        ORDER BY a.created_at DESC, a.activity_no DESC LIMIT 1
    ) AS last
    CROSS JOIN LATERAL (
        SELECT jsonb_object_agg(one.key, one.value) AS before FROM (
            SELECT DISTINCT ON (field.key) field.key, field.value
            FROM sync_activity AS a CROSS JOIN LATERAL jsonb_each(a.before) AS field
            WHERE a.queue_no = %(reverted_no)s AND a.line_no = again.line_no
              AND a.created_at > %(since)s
              AND a.activity_type = 'record_updated'
            ORDER BY field.key, a.created_at, a.activity_no) AS one
    ) AS first_values
    CROSS JOIN LATERAL (
        SELECT jsonb_object_agg(one.key, one.value) AS after FROM (
            SELECT DISTINCT ON (field.key) field.key, field.value
            FROM sync_activity AS a CROSS JOIN LATERAL jsonb_each(a.after) AS field
            WHERE a.queue_no = %(reverted_no)s AND a.line_no = again.line_no
              AND a.created_at > %(since)s
              AND a.activity_type = 'record_updated'
            ORDER BY field.key, a.created_at DESC, a.activity_no DESC) AS one
    ) AS last_values
),
known AS (
    SELECT did.*, l.external_id, l.payload #>> '{{_change,sets_aside}}' AS sets_aside, r.local_id, r.tombstone_reason AS reason_now,
        -- Of a tombstone that was taken away, why it stood.
        -- A record that was brought back is retired again, unless another queue has applied it since;
        -- where a sync did it, it is the undo that retires it, until the record changes.
        CASE WHEN did.details ->> 'tombstone' = '' THEN CASE
            WHEN r.applied_queue_no <> %(reverted_no)s THEN NULL
            WHEN did.details ? 'was_tombstone' THEN 'reverted'
            -- Nothing, where it was not retired.
            WHEN l.payload #> '{{_change,was_tombstone}}' = 'null' THEN NULL
            ELSE coalesce(l.payload #>> '{{_change,was_tombstone}}', 'deleted') END
        ELSE '' END
            AS former_tombstone,
        CASE WHEN did.activity_type = 'record_deleted'
            -- Back since, and with another row.
            THEN did.before IS NOT NULL AND r.tombstoned_at IS NULL
                AND r.local_id <> (did.before ->> 'id')::uuid
            ELSE r.local_id IS NULL
                OR r.tombstoned_at IS NOT NULL AND r.tombstone_reason IS NULL
                OR did.activity_type = 'record_created' AND %(is_sync)s
                    AND r.origin_queue_no <> %(reverted_no)s
        END IS TRUE AS is_left,
        did.activity_type = 'record_created' AND EXISTS (
            SELECT FROM sync_record AS other
            WHERE other.local_id = r.local_id AND other.tombstoned_at IS NULL
              AND (other.connection_id, other.entity, other.external_id)
                  <> (r.connection_id, r.entity, r.external_id)) AS is_shared,
        did.activity_type = 'record_deleted' AND did.after IS NULL AND did.before IS NOT NULL
            AS is_removed,
        -- The row was gone when it was to be deleted: there is only a tombstone to take away.
        did.activity_type = 'record_deleted' AND did.before IS NULL AS is_bare
    FROM did
    JOIN sync_line AS l ON l.queue_no = %(reverted_no)s AND l.line_no = did.line_no
    LEFT JOIN sync_record AS r
        ON r.connection_id = %(connection_id)s AND r.entity = %(entity)s
        AND r.external_id = l.external_id
)
SELECT known.line_no, known.external_id, jsonb_build_object(
    'action', CASE
        WHEN known.is_left OR known.is_bare OR known.is_shared THEN 'keep'
        WHEN known.is_removed THEN 'create'
        WHEN known.activity_type = 'record_created' THEN 'delete'
        ELSE 'update' END,
    'local_id', CASE WHEN known.is_removed AND NOT known.is_left THEN known.before ->> 'id'
                     ELSE known.local_id::text END,
    'expect', CASE
        WHEN known.is_left OR known.is_removed OR known.is_bare OR known.is_shared THEN '{{}}'
        WHEN known.activity_type = 'record_deleted' THEN marks.after
        WHEN known.activity_type = 'record_created'
            THEN coalesce(known.after, '{{}}') - %(late_columns)s::text[]
        ELSE coalesce(known.after, '{{}}') - ARRAY(
            SELECT late FROM unnest(%(late_columns)s::text[]) AS late
            WHERE known.after -> late = 'null') END,
    'values', CASE
        WHEN known.is_left OR known.is_bare OR known.activity_type = 'record_created' THEN '{{}}'
        WHEN known.activity_type = 'record_deleted' AND NOT known.is_removed THEN marks.before
        ELSE coalesce(known.before, '{{}}') END,
    'is_whole', false,
    'base', CASE
        WHEN known.is_left OR known.is_removed OR known.activity_type = 'record_created' THEN NULL
        WHEN known.activity_type = 'record_deleted'
            THEN marks.before || coalesce(known.details -> 'base', '{{}}')
        ELSE known.before || coalesce(known.details -> 'base', '{{}}') END,
    'content_hash', NULL,
    'tombstone', CASE
        WHEN known.is_left THEN NULL
        WHEN known.activity_type = 'record_created' THEN 'reverted'
        WHEN known.activity_type = 'record_deleted' THEN ''
        WHEN known.details ? 'tombstone' THEN known.former_tombstone END,
    'was_tombstone', known.reason_now,
    -- Taking an undo back sets nothing aside: what was synced is there again.
    'sets_aside', CASE WHEN known.is_left OR known.activity_type <> 'record_updated' THEN NULL
                       WHEN known.sets_aside = 'reverted' THEN '' ELSE 'reverted' END,
    'policy', CASE WHEN known.activity_type = 'record_created' THEN 'archive' END,
    'by', %(by)s::text,
    'why', CASE WHEN known.is_left
        THEN 'another record or a later sync has made the row its own'
        WHEN known.is_shared
        THEN %(why)s::text || '; the row stays, for a record of another store has it'
        ELSE %(why)s::text END
) AS change
FROM known
LEFT JOIN LATERAL (
    SELECT coalesce(jsonb_object_agg(mark.key, mark.value), '{{}}') AS after,
        coalesce(jsonb_object_agg(mark.key, known.before -> mark.key), '{{}}') AS before
    FROM jsonb_each(known.after) AS mark
    WHERE mark.value IS DISTINCT FROM known.before -> mark.key
      AND mark.key NOT IN ('updated_at', 'email_normalized', 'source_key')
) AS marks ON known.activity_type = 'record_deleted' AND known.after IS NOT NULL
-- What no record of ours stands for can only be put back whole.
WHERE known.local_id IS NOT NULL OR known.is_removed
