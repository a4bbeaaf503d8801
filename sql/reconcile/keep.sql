-- Keep the verdict with the queue; no row when it stands there already.
-- Caller: stages.reconcile. Index: sync_queue_pkey.
-- Why one of purged pages only where there is none: what was said while there were pages stays, and
--   a queue without any verdict would be asked for one again and again (queue/attention.sql).
UPDATE sync_queue SET reconciliation = %(verdict)s, updated_at = now()
WHERE queue_no = %(queue_no)s AND reconciliation IS DISTINCT FROM %(verdict)s
  AND (reconciliation IS NULL OR NOT %(is_purged)s)
RETURNING queue_no
