-- Who asked for a sync. Caller: stages.absences. Index: sync_queue_pkey.
SELECT coalesce(created_by, 'sync-pipeline') AS created_by FROM sync_queue
WHERE queue_no = %(queue_no)s
