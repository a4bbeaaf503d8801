-- Keep the verdict with the queue. Caller: stages.reconcile. Index: sync_queue_pkey.
UPDATE sync_queue SET reconciliation = %(verdict)s, updated_at = now()
WHERE queue_no = %(queue_no)s
