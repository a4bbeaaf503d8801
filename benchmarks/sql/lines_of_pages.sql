-- The records of a queue as its pages hold them.
SELECT
    (p.first_offset + ordinality)::integer AS line_no, item ->> 'id' AS external_id,
    NULL::uuid AS content_hash, 0 AS error_count, item AS payload
FROM sync_page AS p
CROSS JOIN LATERAL jsonb_array_elements(p.body) WITH ORDINALITY AS landed (item, ordinality)
WHERE p.queue_no = %(queue_no)s AND p.listing = %(listing)s
