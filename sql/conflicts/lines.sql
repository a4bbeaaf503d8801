-- Make a change line of every chosen conflict: what somebody decided about it; and note with the conflict
--   that the queue decides about it.
-- Caller: queue.conflicts.resolving, in the transaction that opens the queue, after hold.sql and
--   refresh.sql. Composed: chosen.sql. Index: as there, sync_conflict_open_idx.
-- `merged` holds what merges by itself, and ours where there is a dispute. Over it goes theirs of the
--   chosen fields (all that are in dispute, or those named), and what was typed.
-- Why expect is the whole row as it was shown, and the version: who decided saw these, and no others.
-- Of a record that is gone there (a deletion) theirs is to go, ours to stay and never be asked about again.
-- Of an undo the base stays: both sides were agreed on without it, and what is decided is an edit here.
-- Why OFFSET 0, and details are taken apart first: as in refresh.sql.
-- Why skipping takes over the hash alone: the same content is quiet, and a changed one is compared with
--   what both sides last had.
WITH made AS (
    INSERT INTO sync_line (queue_no, line_no, org_id, external_id, content_hash, payload)
    SELECT %(queue_no)s, row_number() OVER (ORDER BY decided.conflict_no), decided.org_id,
        decided.external_id,
        coalesce(decided.content_hash::uuid, '00000000-0000-0000-0000-000000000000'),
        jsonb_build_object('_change', jsonb_build_object(
            'action', CASE
                WHEN %(decision)s = 'skip' OR decided.is_deletion AND %(decision)s <> 'source'
                    THEN 'keep'
                WHEN decided.is_deletion THEN 'delete'
                WHEN differing.values IS NULL THEN 'keep' ELSE 'update' END,
            'local_id', decided.local_id,
            'expect', decided.ours,
            'values', CASE
                WHEN %(decision)s = 'skip' THEN '{{}}'
                WHEN decided.is_deletion THEN coalesce(decided.change -> 'values', '{{}}')
                ELSE coalesce(differing.values, '{{}}') END,
            'is_whole', true,
            'base', CASE WHEN decided.is_undo THEN NULL
                         -- Of a record that was never applied nothing else would be known.
                         WHEN %(decision)s = 'skip' AND NOT EXISTS (
                             SELECT FROM sync_record AS r
                             WHERE r.connection_id = %(connection_id)s AND r.entity = %(entity)s
                               AND r.external_id = decided.external_id)
                         THEN nullif(decided.base, 'null')
                         WHEN %(decision)s = 'source' OR NOT decided.is_deletion AND %(decision)s <> 'skip'
                         THEN decided.settles -> 'base' END,
            'content_hash', decided.content_hash,
            'tombstone', CASE WHEN decided.is_deletion AND %(decision)s <> 'skip'
                              THEN decided.change ->> 'tombstone' END,
            'policy', decided.change ->> 'policy',
            'is_absent', decided.is_deletion AND NOT decided.is_undo AND %(decision)s = 'source',
            'sets_aside', CASE WHEN decided.is_undo OR decided.is_deletion THEN NULL
                               WHEN %(decision)s = 'skip' THEN 'skipped' ELSE '' END,
            'conflict_no', decided.conflict_no,
            'conflict_version', decided.version,
            'conflict_ends', CASE %(decision)s WHEN 'skip' THEN 'skipped' ELSE 'resolved' END,
            'by', %(by)s::text,
            'why', CASE WHEN decided.is_undo THEN %(why_of_undo)s::text ELSE %(why)s::text END))
    FROM (
        SELECT c.*, coalesce(c.action = 'delete', false) AS is_deletion,
            c.change IS NOT NULL AND (c.action <> 'delete' OR c.change ->> 'tombstone' = 'reverted')
                AS is_undo,
            c.settles ->> 'content_hash' AS content_hash
        FROM (
            SELECT chosen.conflict_no, chosen.org_id, chosen.external_id, chosen.version, held.*
            FROM ({chosen}) AS chosen
            CROSS JOIN LATERAL jsonb_to_record(chosen.details) AS held (
                local_id uuid, action text, base jsonb, ours jsonb, theirs jsonb, merged jsonb, fields jsonb,
                settles jsonb, change jsonb)
            OFFSET 0
        ) AS c
        -- A row that is gone is made again by the next sync, which settles it. A
        -- record that is gone has no fields to choose from.
        JOIN LATERAL (SELECT t.id FROM {target} AS t WHERE t.id = c.local_id OFFSET 0) AS stands
            ON true
        WHERE NOT (%(decision)s = 'fields' AND coalesce(c.action = 'delete', false))
    ) AS decided
    LEFT JOIN LATERAL (
        SELECT jsonb_object_agg(field.key, field.value) AS "values"
        FROM jsonb_each(
            decided.merged
            || coalesce((
                SELECT jsonb_object_agg(taken.key, taken.value)
                FROM jsonb_each(CASE jsonb_typeof(decided.theirs) WHEN 'object'
                    THEN decided.theirs ELSE '{{}}' END) AS taken
                WHERE CASE %(decision)s WHEN 'source' THEN decided.fields ? taken.key
                           ELSE taken.key = ANY (%(fields)s::text[]) END), '{{}}')
            || %(values)s::jsonb) AS field
        WHERE field.value <> decided.ours -> field.key
    ) AS differing ON NOT decided.is_deletion
    RETURNING external_id
)
UPDATE sync_conflict AS c
SET resolution_queue_no = %(queue_no)s
FROM made
WHERE c.connection_id = %(connection_id)s AND c.entity = %(entity)s
  AND c.external_id = made.external_id
  AND c.conflict_type = 'DataMismatch' AND c.state = 'open'
