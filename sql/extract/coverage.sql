-- Whether a scan saw everything: what landed beside what the store says it holds.
-- Caller: stages.scan. Index: sync_page_pkey.
-- The total is the latest that the store named; a total that moved means that records did.
-- n_within: landed records whose id is not above the highest one of before the first page (one
--   whose id cannot be told is taken by its place), beside first_total, the total of that moment;
--   NULL where it was not asked for.
-- is_lowest: that highest id is the lowest of many: the store ignores the order, and it tells nothing.
-- Why count(DISTINCT) and OFFSET 0: ids are sorted, and nothing else of the records. Two processes that
--   group 1,000,000 ids by hash outgrow their memory, and one plan of that took ten minutes and more;
--   sorted with their records they took 1.6 GB on the disk.
WITH bound AS MATERIALIZED (
    SELECT p.total, (p.body -> 0 ->> 'id')::bigint AS highest_id
    FROM sync_page AS p
    WHERE p.queue_no = %(queue_no)s AND p.listing = %(bound_listing)s
),
record AS (
    SELECT
        coalesce(item ->> 'id', 'offset:' || (p.first_offset + ordinality - 1)) AS external_id,
        CASE WHEN item ->> 'id' ~ '^[0-9]{1,18}$'
             THEN (item ->> 'id')::bigint <= (SELECT highest_id FROM bound)
             ELSE p.first_offset + ordinality <= (SELECT total FROM bound) END AS is_within,
        CASE WHEN item ->> 'id' ~ '^[0-9]{1,18}$' THEN (item ->> 'id')::bigint END AS id
    FROM sync_page AS p
    CROSS JOIN LATERAL jsonb_array_elements(p.body) WITH ORDINALITY AS landed (item, ordinality)
    WHERE p.queue_no = %(queue_no)s AND p.listing = %(listing)s
    OFFSET 0
)
SELECT counted.n_distinct, counted.n_within, (SELECT total FROM bound) AS first_total,
    coalesce((SELECT total > 1 AND highest_id = counted.lowest_id FROM bound), false) AS is_lowest,
    pages.n_pages, pages.n_records, pages.total, pages.is_steady, pages.n_noisy
FROM (
    SELECT count(*) AS n_pages, coalesce(sum(n_records), 0) AS n_records,
        (array_agg(total ORDER BY fetched_at DESC) FILTER (WHERE total IS NOT NULL))[1] AS total,
        coalesce(count(DISTINCT total) = 1, false) AS is_steady,
        count(*) FILTER (WHERE noise IS NOT NULL) AS n_noisy
    FROM sync_page
    WHERE queue_no = %(queue_no)s AND listing = %(listing)s
) AS pages
CROSS JOIN (
    SELECT count(DISTINCT external_id) AS n_distinct,
        count(DISTINCT external_id) FILTER (WHERE is_within) AS n_within,
        min(id) AS lowest_id
    FROM record
) AS counted
