-- When the whole syncs of an entity ended since a record is known, as far back as they are kept.
-- Caller: queue.story, which takes those away that made a line of it. Index: sync_queue_latest_idx.
SELECT q.queue_no, q.finished_at FROM sync_queue AS q
WHERE q.connection_id = %(connection_id)s AND q.entity = %(entity)s
  AND q.stage = 'finished' AND q.cancelled_at IS NULL
  AND q.filters - 'deletion_limit_percent' = '{}'
  AND q.queue_no >= coalesce((
      SELECT r.origin_queue_no FROM sync_record AS r
      WHERE r.connection_id = %(connection_id)s AND r.entity = %(entity)s
        AND r.external_id = %(external_id)s), 0)
ORDER BY q.queue_no
