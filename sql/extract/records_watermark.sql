-- How far an entity's records are read. No row: they must be read whole.
-- Caller: stages.deltas. Index: sync_watermark_pkey, sync_queue_pkey, sync_record_absent_idx.
-- Why absences: what was missing once is looked for again at once, and only a whole reading tells.
-- Why the queue: what it read was not all applied when somebody cancelled it.
SELECT w.watermark_utc
FROM sync_watermark AS w LEFT JOIN sync_queue AS q ON q.queue_no = w.queue_no
WHERE w.connection_id = %(connection_id)s AND w.listing = %(known_as)s
  AND w.salt = %(salt)s AND w.total IS NOT NULL
  AND q.cancelled_at IS NULL AND q.forced_done_at IS NULL
  AND NOT EXISTS (
      SELECT FROM sync_record AS r
      WHERE r.connection_id = %(connection_id)s AND r.entity = %(entity)s
        AND r.absence_count = 1 AND r.tombstoned_at IS NULL AND r.elsewhere_as IS NULL)
