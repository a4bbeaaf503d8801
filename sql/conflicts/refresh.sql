-- Bring our side of open conflicts up to date: who is shown one sees the row as it is, and who decides
--   about it names that version.
-- Caller: queue.conflicts.reading (one), queue.conflicts.resolving (all that are decided about).
-- Composed per entity: its table; chosen.sql. Index: as there, sync_connection_pkey, the target's key.
-- What a sync disputed is judged anew, as complete.sql does. What an undo or a deletion disputed stays
--   in dispute: base there is what was expected, and no policy has a say.
-- A row that is gone is left: the next sync of its record makes it again.
-- Why OFFSET 0: under row-level security a cast inside a join would hide the target's key from it.
WITH live AS (
    SELECT c.conflict_no, c.details, c.details ? 'change' AS is_of_change,
        stands.ours, judged.merged, judged.disputed
    FROM (
        SELECT chosen.*, (chosen.details ->> 'local_id')::uuid AS local_id
        FROM ({chosen}) AS chosen
        WHERE chosen.conflict_type = 'DataMismatch' AND chosen.state = 'open'
        OFFSET 0
    ) AS c
    JOIN sync_connection AS k ON k.connection_id = c.connection_id
    JOIN LATERAL (
        SELECT (SELECT jsonb_object_agg(held.key, held.value) FROM jsonb_each(to_jsonb(t)) AS held
                WHERE c.details -> 'ours' ? held.key) AS ours
        FROM {target} AS t WHERE t.id = c.local_id
        OFFSET 0
    ) AS stands ON stands.ours <> c.details -> 'ours'
    LEFT JOIN LATERAL (
        SELECT m.merged, m.disputed
        FROM sync_merge(nullif(c.details -> 'base', 'null'), stands.ours,
            CASE WHEN c.details ? 'change' THEN '{{}}' ELSE c.details -> 'theirs' END,
            %(policies)s::jsonb || coalesce(k.options -> 'policies' -> c.entity, '{{}}'), NULL) AS m
    ) AS judged ON true
)
UPDATE sync_conflict AS c
SET version = c.version + 1, updated_at = now(),
    details = c.details || jsonb_build_object(
        'ours', live.ours,
        'merged', CASE WHEN live.is_of_change THEN live.ours ELSE live.merged END,
        'theirs', CASE WHEN live.is_of_change AND jsonb_typeof(c.details -> 'theirs') = 'object'
                       THEN (SELECT live.ours || coalesce(jsonb_object_agg(
                                 field.key, c.details -> 'theirs' -> field.key), '{{}}')
                             FROM jsonb_object_keys(c.details -> 'fields') AS field (key))
                       ELSE c.details -> 'theirs' END,
        'fields', (
            SELECT coalesce(jsonb_object_agg(name, CASE WHEN live.is_of_change
                THEN c.details -> 'fields' -> name || jsonb_build_object('ours', live.ours -> name)
                ELSE jsonb_build_object('base', c.details -> 'base' -> name,
                    'ours', live.ours -> name, 'theirs', c.details -> 'theirs' -> name) END), '{{}}')
            FROM unnest(CASE WHEN live.is_of_change
                THEN ARRAY(SELECT jsonb_object_keys(c.details -> 'fields'))
                ELSE live.disputed END) AS name))
FROM live WHERE c.conflict_no = live.conflict_no
