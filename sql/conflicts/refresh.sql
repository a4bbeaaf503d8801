-- Bring our side of open conflicts up to date: who is shown one sees the row as it is, and who decides
--   about it names that version.
-- Caller: queue.conflicts.reading (one), queue.conflicts.resolving (all that are decided about).
-- Composed per entity: its table; chosen.sql. Index: as there, sync_connection_pkey, the target's key.
-- What a sync disputed is judged anew, as complete.sql does. What an undo or a deletion disputed stays
--   in dispute: base there is what was expected, and no policy has a say.
-- A row that is gone is left: the next sync of its record makes it again.
-- What is being applied is left as it was decided about.
-- Why OFFSET 0: under row-level security a cast inside a join would hide the target's key from it.
-- Why details are taken apart first: each look into them unpacks them (100,000 took 40 s to decide about).
WITH live AS (
    SELECT c.conflict_no, c.change IS NOT NULL AS is_of_change,
        stands.ours, judged.merged, judged.disputed
    FROM (
        SELECT chosen.conflict_no, chosen.connection_id, chosen.entity, held.*
        FROM ({chosen}) AS chosen
        CROSS JOIN LATERAL jsonb_to_record(chosen.details) AS held (
            local_id uuid, base jsonb, ours jsonb, theirs jsonb, change jsonb)
        WHERE chosen.conflict_type = 'DataMismatch' AND chosen.state = 'open'
        OFFSET 0
    ) AS c
    JOIN sync_connection AS k ON k.connection_id = c.connection_id
    JOIN LATERAL (
        SELECT (SELECT jsonb_object_agg(held.key, held.value) FROM jsonb_each(to_jsonb(t)) AS held
                WHERE c.ours ? held.key) AS ours
        FROM {target} AS t WHERE t.id = c.local_id
        OFFSET 0
    ) AS stands ON stands.ours <> c.ours
    LEFT JOIN LATERAL (
        SELECT m.merged, m.disputed
        FROM sync_merge(nullif(c.base, 'null'), stands.ours,
            CASE WHEN c.change IS NOT NULL THEN '{{}}' ELSE c.theirs END,
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
