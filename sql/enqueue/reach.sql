-- How far the landed places of a listing, its slice, its guests and its children go.
-- Caller: stages.enqueue, to share them out. Index: sync_page_pkey.
SELECT coalesce(max(first_offset), 0) + 1 AS reach FROM sync_page
WHERE queue_no = %(queue_no)s
  AND (listing IN (%(listing)s, %(guests)s::text, %(rescan)s::text)
       OR starts_with(listing, %(prefix)s))
