-- Move a watermark forward, never back. Caller: stages.enqueue, with the data it stands for.
-- Index: sync_watermark_pkey.
INSERT INTO sync_watermark AS w (
    connection_id, listing, org_id, watermark_utc, queue_no, salt, total)
VALUES (%(connection_id)s, %(listing)s, %(org_id)s::sync_org_id, %(watermark_utc)s, %(queue_no)s,
    %(salt)s, %(total)s)
ON CONFLICT (connection_id, listing) DO UPDATE
SET watermark_utc = greatest(w.watermark_utc, EXCLUDED.watermark_utc),
    salt = EXCLUDED.salt, total = EXCLUDED.total,
    queue_no = EXCLUDED.queue_no, updated_at = now()
