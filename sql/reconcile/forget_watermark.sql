-- Have the next sync of an entity read everything: what changed since would not bring lost rows back.
-- Caller: stages.reconcile, after bring_back.sql. Index: sync_watermark_pkey.
UPDATE sync_watermark SET salt = NULL, updated_at = now()
WHERE connection_id = %(connection_id)s AND listing = %(known_as)s
