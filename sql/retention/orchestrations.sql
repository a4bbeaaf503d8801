-- Delete orchestrations whose last queue was purged before a moment, with their items and audit.
-- Caller: queue.retention, with app.retention = on.
-- Index: sync_orchestration_created_idx (older ones only), sync_orchestration_item_pkey,
--   sync_queue_pkey, sync_activity_log_orchestration_idx.
WITH gone AS (
    DELETE FROM sync_orchestration AS o
    WHERE o.created_at < %(before_utc)s
      AND NOT EXISTS (
          SELECT FROM sync_orchestration_item AS i
          LEFT JOIN sync_queue AS q ON q.queue_no = i.queue_no
          WHERE i.orchestration_no = o.orchestration_no
            AND (q.queue_no IS NOT NULL OR i.purged_at >= %(before_utc)s))
    RETURNING o.orchestration_no
)
DELETE FROM sync_activity_log AS a USING gone WHERE a.orchestration_no = gone.orchestration_no
