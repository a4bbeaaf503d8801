-- Both sides of one conflict and what they last agreed on, all columns.
-- Caller: queue.conflicts.reading, after refresh.sql. Index: sync_conflict_id_key.
SELECT coalesce(nullif(details -> 'base', 'null'), '{}') AS base,
    coalesce(nullif(details -> 'ours', 'null'), '{}') AS ours,
    coalesce(nullif(details -> 'theirs', 'null'), '{}') AS theirs,
    coalesce(nullif(details -> 'merged', 'null'), '{}') AS merged,
    coalesce(nullif(details -> 'fields', 'null'), '{}') AS fields,
    coalesce(details ->> 'action' = 'delete', false) AS is_deletion,
    coalesce(
        details ? 'change'
            AND (details ->> 'action' <> 'delete' OR details -> 'change' ->> 'tombstone' = 'reverted'),
        false) AS is_undo
FROM sync_conflict WHERE id = %(id)s
