-- How many records landed, and how many of them are different ones.
-- Caller: stages.extract (completeness) and stages.enqueue (counts).
-- Index: sync_page_pkey.
SELECT count(*) AS n_landed,
    count(DISTINCT coalesce(item ->> 'id', 'offset:' || (p.first_offset + ordinality - 1)))
        AS n_distinct
FROM sync_page AS p
CROSS JOIN LATERAL jsonb_array_elements(p.body) WITH ORDINALITY AS landed (item, ordinality)
WHERE p.queue_no = %(queue_no)s AND p.listing = %(listing)s
