-- Keep the certificate with its queue; no row when it stands there already.
-- Caller: stages.certificate. Index: sync_queue_pkey.
-- Why one of purged pages only where there is none: what was proven while there were pages stays.
UPDATE sync_queue SET certificate = %(certificate)s, updated_at = now()
WHERE queue_no = %(queue_no)s AND certificate IS DISTINCT FROM %(certificate)s
  AND (certificate IS NULL OR NOT %(is_purged)s)
RETURNING queue_no
