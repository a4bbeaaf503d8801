-- Note that Redis is back; a row is answered to the one process that notes it first.
-- Caller: sources.throttle.redis_bucket. Index: sync_throttle_pkey.
UPDATE sync_throttle SET redis_gone_at = NULL
WHERE connection_id = %(connection_id)s AND redis_gone_at IS NOT NULL
RETURNING connection_id
