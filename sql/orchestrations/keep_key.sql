-- Keep what a key was used for, and its answer; an older use of it is over.
-- Caller: queue.orchestrations.starting, after key.sql found none. Index: sync_idempotency_log_pkey.
INSERT INTO sync_idempotency_log (org_id, key, request_hash, answer)
VALUES (%(org_id)s::sync_org_id, %(key)s, %(request_hash)s, %(answer)s)
ON CONFLICT (org_id, key) DO UPDATE
SET request_hash = EXCLUDED.request_hash, answer = EXCLUDED.answer, created_at = now()
