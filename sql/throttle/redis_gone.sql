-- Note that Redis is gone; a row is answered to the one process that notes it first.
-- Caller: sources.throttle.redis_bucket. Index: sync_throttle_pkey.
INSERT INTO sync_throttle AS bucket (connection_id, org_id, next_at, redis_gone_at)
VALUES (%(connection_id)s, %(org_id)s::sync_org_id, clock_timestamp(), now())
ON CONFLICT (connection_id) DO UPDATE SET redis_gone_at = now()
WHERE bucket.redis_gone_at IS NULL
RETURNING connection_id
