-- What a key was used for within the last 24 hours. Caller: queue.orchestrations.starting, after
--   alone.sql. Index: sync_idempotency_log_pkey.
SELECT request_hash, (answer ->> 'orchestration_no')::bigint AS orchestration_no
FROM sync_idempotency_log
WHERE org_id = %(org_id)s::sync_org_id AND key = %(key)s
  AND created_at > now() - interval '24 hours'
