-- Where in the whole listing the next slice begins, and how many records the listing held.
-- Caller: stages.rescan. Index: sync_watermark_pkey.
SELECT rescan_offset, total FROM sync_watermark
WHERE connection_id = %(connection_id)s AND listing = %(known_as)s AND total IS NOT NULL
