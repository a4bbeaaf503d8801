-- Open queues of an orchestration that somebody else asked for as well: a sync of its own opened it,
--   or another orchestration that was not cancelled has it.
-- Caller: queue.orchestrations.acting, before a cancel, when it is marked as cancelled itself.
-- Index: sync_orchestration_item_pkey, sync_queue_pkey, sync_orchestration_item_queue_idx.
SELECT i.queue_no, q.orchestration_no IS NULL AS is_alone, others.ids AS orchestration_ids
FROM sync_orchestration_item AS i
JOIN sync_queue AS q ON q.queue_no = i.queue_no AND q.stage <> 'finished'
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(o.id::text ORDER BY o.orchestration_no), '{}') AS ids
    FROM sync_orchestration_item AS other
    JOIN sync_orchestration AS o ON o.orchestration_no = other.orchestration_no
    WHERE other.queue_no = i.queue_no AND other.orchestration_no <> i.orchestration_no
      AND o.cancelled_at IS NULL
) AS others
WHERE i.orchestration_no = %(orchestration_no)s
  AND (q.orchestration_no IS NULL OR others.ids <> '{}')
