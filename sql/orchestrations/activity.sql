-- What happened to an orchestration as a whole, in order. Caller: queue.orchestrations.audit.
-- Index: sync_activity_log_orchestration_idx.
SELECT activity_type, status, message, details, created_at FROM sync_activity_log
WHERE orchestration_no = %(orchestration_no)s ORDER BY created_at, activity_no
