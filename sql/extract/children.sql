-- Children that landed, and those that a landed parent names and no listing held.
-- Caller: stages.children. Index: sync_page_pkey.
WITH landed AS MATERIALIZED (
    SELECT DISTINCT item ->> 'id' AS external_id
    FROM sync_page AS p CROSS JOIN LATERAL jsonb_array_elements(p.body) AS item
    WHERE p.queue_no = %(queue_no)s AND starts_with(p.listing, %(prefix)s)
),
swept AS MATERIALIZED (
    SELECT DISTINCT item ->> 'id' AS external_id
    FROM sync_page AS p CROSS JOIN LATERAL jsonb_array_elements(p.body) AS item
    WHERE p.queue_no = %(queue_no)s AND p.listing = %(sweep_listing)s
),
missing AS (
    SELECT child.external_id
    FROM sync_page AS p
    CROSS JOIN LATERAL jsonb_array_elements(p.body) AS item
    CROSS JOIN LATERAL jsonb_array_elements_text(CASE jsonb_typeof(item -> %(ids_field)s)
        WHEN 'array' THEN item -> %(ids_field)s ELSE '[]' END) AS child (external_id)
    WHERE p.queue_no = %(queue_no)s AND p.listing = %(listing)s
      AND (NOT %(is_swept)s OR item ->> 'id' IN (SELECT external_id FROM swept))
    EXCEPT
    SELECT external_id FROM landed
)
SELECT (SELECT count(*) FROM landed) AS n_landed, (SELECT count(*) FROM missing) AS n_missing
