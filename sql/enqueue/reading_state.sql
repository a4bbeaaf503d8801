-- Keep with a watermark what its listing was asked for, and where the next slice of it begins.
-- Caller: stages.enqueue, after watermark.sql in its transaction. Index: sync_watermark_pkey.
UPDATE sync_watermark
SET asked = %(asked)s, rescan_offset = coalesce(%(rescan_offset)s::bigint, rescan_offset)
WHERE connection_id = %(connection_id)s AND listing = %(listing)s
