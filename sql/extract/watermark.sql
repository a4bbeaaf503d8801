-- How far the orders of the figures are read, with guests where they are wanted. No row: read all.
-- Caller: stages.deltas. Index: sync_watermark_pkey.
SELECT watermark_utc FROM sync_watermark
WHERE connection_id = %(connection_id)s AND listing = %(known_as)s
  AND (%(salt)s::text IS NULL OR salt = %(salt)s)
