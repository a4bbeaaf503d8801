-- What a revert would do to our rows as they are now: counts, the fields that have moved since, and the
--   first records. Reads only.
-- Caller: queue.revert_preview. Composed: revert/instructions.sql, the target, a jsonb of its columns.
-- Index: as in instructions.sql; the target's key. As sets.
-- Compared as in queue/change.sql, which does it.
WITH made AS (
{instructions}
),
compared AS (
    SELECT made.line_no, made.external_id, made.change, t.id AS current_id, t.ours,
        coalesce(field.moved, '{{}}') AS moved, coalesce(field.is_other, false) AS is_other
    FROM made
    LEFT JOIN LATERAL (
        SELECT t.id, {ours} AS ours FROM {target} AS t
        WHERE t.id = (made.change ->> 'local_id')::uuid
    ) AS t ON true
    LEFT JOIN LATERAL (
        SELECT
            array_agg(key ORDER BY key) FILTER (WHERE is_moved) AS moved,
            bool_or(NOT is_moved AND made.change -> 'values' ? key
                AND t.ours -> key <> made.change -> 'values' -> key) AS is_other
        FROM (
            SELECT key, made.change -> 'expect' ? key
                AND t.ours -> key <> made.change -> 'expect' -> key
                AND t.ours -> key IS DISTINCT FROM made.change -> 'values' -> key
                AND NOT (key = ANY (%(late_columns)s::text[]) AND t.ours -> key = 'null')
                AS is_moved
            FROM jsonb_object_keys(made.change -> 'expect' || (made.change -> 'values')) AS key
            WHERE t.ours ? key
        ) AS each_field
    ) AS field ON made.change ->> 'action' IN ('update', 'delete')
),
outcome AS MATERIALIZED (
    SELECT c.*, CASE c.change ->> 'action'
        WHEN 'create' THEN CASE WHEN c.current_id IS NULL THEN 'restored' ELSE 'exists' END
        WHEN 'delete' THEN CASE WHEN c.moved <> '{{}}' THEN 'disputed' ELSE 'removed' END
        WHEN 'keep' THEN 'left'
        ELSE CASE WHEN c.current_id IS NULL THEN 'gone'
                  WHEN c.moved <> '{{}}' THEN 'disputed'
                  WHEN c.is_other THEN 'updated'
                  ELSE 'unchanged' END
        END AS does
    FROM compared AS c
)
SELECT
    (SELECT coalesce(jsonb_object_agg(does, n), '{{}}')
     FROM (SELECT does, count(*) AS n FROM outcome GROUP BY does) AS by_effect) AS counts,
    (SELECT coalesce(jsonb_object_agg(field, n), '{{}}')
     FROM (SELECT field, count(*) AS n FROM outcome CROSS JOIN LATERAL unnest(moved) AS field
           GROUP BY field) AS by_field) AS moved,
    (SELECT coalesce(jsonb_agg(jsonb_build_object(
            'external_id', first.external_id, 'does', first.does, 'why', first.change ->> 'why',
            'moved', to_jsonb(first.moved), 'expect', first.change -> 'expect',
            'values', first.change -> 'values',
            'ours', first.ours)), '[]')
     FROM (SELECT * FROM outcome WHERE does <> 'unchanged'
           ORDER BY does <> 'disputed', does, line_no LIMIT %(most)s) AS first) AS records
