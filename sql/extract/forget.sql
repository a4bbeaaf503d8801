-- Drop the landed ranges of one listing, to read it again.
-- Caller: stages.extract, before a new sweep. Index: sync_page_pkey.
DELETE FROM sync_page WHERE queue_no = %(queue_no)s AND listing = %(listing)s
