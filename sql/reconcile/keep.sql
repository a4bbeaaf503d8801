-- Keep the verdict with the queue; no row when it stands there already.
-- Caller: stages.reconcile. Index: sync_queue_pkey.
UPDATE sync_queue SET reconciliation = %(verdict)s, updated_at = now()
WHERE queue_no = %(queue_no)s AND reconciliation IS DISTINCT FROM %(verdict)s
RETURNING queue_no
