-- Landed records that name children whose listing has not landed, with how many they name.
-- Caller: stages.children. Index: sync_page_pkey.
-- Why the sweep is asked: a parent that was deleted while its pages were read has landed.
WITH swept AS MATERIALIZED (
    SELECT DISTINCT item ->> 'id' AS external_id
    FROM sync_page AS p CROSS JOIN LATERAL jsonb_array_elements(p.body) AS item
    WHERE p.queue_no = %(queue_no)s AND p.listing = %(sweep_listing)s
),
landed AS MATERIALIZED (
    SELECT DISTINCT c.listing FROM sync_page AS c
    WHERE c.queue_no = %(queue_no)s AND starts_with(c.listing, %(prefix)s)
),
parent AS (
    SELECT DISTINCT ON (item ->> 'id') item -> 'id' AS parent_id,
        jsonb_array_length(CASE jsonb_typeof(item -> %(ids_field)s)
            WHEN 'array' THEN item -> %(ids_field)s ELSE '[]' END) AS n_children
    FROM sync_page AS p CROSS JOIN LATERAL jsonb_array_elements(p.body) AS item
    WHERE p.queue_no = %(queue_no)s AND p.listing = %(listing)s
      AND (NOT %(is_swept)s OR item ->> 'id' IN (SELECT external_id FROM swept))
    ORDER BY item ->> 'id', p.fetched_at DESC
)
SELECT parent_id, n_children FROM parent
WHERE n_children > 0
  AND NOT EXISTS (SELECT FROM landed WHERE landed.listing = %(prefix)s || (parent_id #>> '{}'))
ORDER BY length(parent_id #>> '{}'), parent_id #>> '{}'
