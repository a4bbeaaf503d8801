-- Have a watermark stand for today's mapping: every record was applied again with it.
-- Caller: stages.enqueue, in the transaction in which the replay's lines stand.
-- Index: sync_watermark_pkey, sync_queue_pkey.
-- How far was read stays as it is. Only where the store was asked for the same then: other fields or
--   another listing need a reading. Not after a queue whose lines were not all applied.
UPDATE sync_watermark AS w
SET salt = %(salt)s, queue_no = %(queue_no)s, updated_at = now()
WHERE w.connection_id = %(connection_id)s AND w.listing = %(listing)s
  AND w.salt IS NOT NULL AND w.asked = %(asked)s
  AND NOT EXISTS (SELECT FROM sync_queue AS q WHERE q.queue_no = w.queue_no
                  AND (q.cancelled_at IS NOT NULL OR q.forced_done_at IS NOT NULL))
