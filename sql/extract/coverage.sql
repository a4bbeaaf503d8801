-- Whether a scan saw everything: what landed beside what the store says it holds.
-- Caller: stages.extract. Index: sync_page_pkey.
-- The total is the latest that the store named; a total that moved means that records did.
WITH record AS (
    SELECT DISTINCT
        coalesce(item ->> 'id', 'offset:' || (p.first_offset + ordinality - 1)) AS external_id
    FROM sync_page AS p
    CROSS JOIN LATERAL jsonb_array_elements(p.body) WITH ORDINALITY AS landed (item, ordinality)
    WHERE p.queue_no = %(queue_no)s AND p.listing = %(listing)s
)
SELECT
    (SELECT count(*) FROM record) AS n_distinct,
    pages.n_pages, pages.n_records, pages.total, pages.is_steady, pages.n_noisy
FROM (
    SELECT count(*) AS n_pages, coalesce(sum(n_records), 0) AS n_records,
        (array_agg(total ORDER BY fetched_at DESC) FILTER (WHERE total IS NOT NULL))[1] AS total,
        coalesce(count(DISTINCT total) = 1, false) AS is_steady,
        count(*) FILTER (WHERE noise IS NOT NULL) AS n_noisy
    FROM sync_page
    WHERE queue_no = %(queue_no)s AND listing = %(listing)s
) AS pages
