-- Delete keys that may be used anew. Caller: queue.retention.
-- Index: sync_idempotency_log_created_idx.
DELETE FROM sync_idempotency_log WHERE created_at < now() - interval '24 hours'
