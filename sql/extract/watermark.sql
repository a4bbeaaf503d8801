-- How far a listing is read. Caller: stages.extract. Index: sync_watermark_pkey.
SELECT watermark_utc FROM sync_watermark
WHERE connection_id = %(connection_id)s AND listing = %(known_as)s
