-- The first free place for children: behind every place of a record of the listing itself.
-- Caller: stages.children, once a start. Index: sync_page_pkey.
SELECT coalesce(max(first_offset + record_limit), %(first_place)s) AS next_offset
FROM sync_page
WHERE queue_no = %(queue_no)s AND starts_with(listing, %(prefix)s)
