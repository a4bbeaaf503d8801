-- Cancel what is left, failed lines too, call the queue done and its conflicts skipped.
-- Caller: queue.actions.force_done, after actions/hold.sql.
-- Index: sync_batch_pkey (all batches of the queue are read), sync_line_written_idx,
--   sync_conflict_queue_idx, sync_queue_pkey.
-- Why token + 1: a worker that holds one of the batches is refused when it completes it.
WITH batch AS (
    UPDATE sync_batch
    SET state = CASE WHEN state IN ('ready', 'processing') THEN 'cancelled' ELSE state END,
        token = token + 1, lease_until = NULL, finished_at = coalesce(finished_at, now()),
        n_cancelled = n_total - n_done, n_failed = 0
    WHERE queue_no = %(queue_no)s AND (state IN ('ready', 'processing') OR n_failed > 0)
),
line AS (
    UPDATE sync_line SET state = 'cancelled'
    WHERE queue_no = %(queue_no)s AND state IS NOT NULL AND state IN ('draft', 'failed')
),
conflict AS (
    UPDATE sync_conflict
    SET state = 'skipped', resolved_at = now(), resolved_by = %(by)s,
        resolution = 'the sync was forced done', updated_at = now()
    WHERE queue_no = %(queue_no)s AND state = 'open'
)
UPDATE sync_queue
SET forced_done_at = now(), stage = 'finished', finished_at = coalesce(finished_at, now()),
    is_paused = false, stage_lease_until = NULL, retry_at = NULL, is_action_required = false,
    action_required_reason = NULL, updated_at = now()
WHERE queue_no = %(queue_no)s
