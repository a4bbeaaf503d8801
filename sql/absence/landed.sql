-- How many records the listing should have shown, and how many of them it did not; no row: that was
-- not looked at yet.
-- Caller: stages.absences. Index: sync_page_pkey.
SELECT max(p.total) AS n_known,
    coalesce(sum((SELECT count(*) FROM jsonb_array_elements(p.body) AS item
                  WHERE item ->> 'as' IS NULL)), 0)::bigint AS n_absent
FROM sync_page AS p
WHERE p.queue_no = %(queue_no)s AND p.listing = %(absent_listing)s
HAVING count(*) > 0
