-- Keep with a watermark what its listing was asked for, where the next slice of it begins, and above
-- which id nothing was counted: of changes only where it was known before.
-- Caller: stages.enqueue, after watermark.sql in its transaction. Index: sync_watermark_pkey.
UPDATE sync_watermark
SET asked = %(asked)s, rescan_offset = coalesce(%(rescan_offset)s::bigint, rescan_offset),
    highest_id = CASE WHEN NOT %(is_delta)s OR highest_id IS NOT NULL
        THEN greatest(CASE WHEN %(is_delta)s THEN highest_id END, %(highest_id)s::bigint) END
WHERE connection_id = %(connection_id)s AND listing = %(listing)s
