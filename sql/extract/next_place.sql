-- The next free offset for records that have no place in their listing: -1, -2, …
-- Caller: stages.landing.land_by_ids. Index: sync_page_pkey.
SELECT least(min(first_offset), 0) - 1 AS next_offset
FROM sync_page WHERE queue_no = %(queue_no)s AND listing = %(listing)s
