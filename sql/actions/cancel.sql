-- Cancel what is not done and close the queue; what is done stays done, what failed stays failed.
-- Caller: queue.actions.cancel, after actions/hold.sql.
-- Index: sync_batch_open_idx, sync_line_written_idx, sync_conflict_queue_idx, sync_queue_pkey.
-- Why token + 1: a worker that holds one of the batches is refused when it completes it.
WITH batch AS (
    UPDATE sync_batch
    SET state = 'cancelled', token = token + 1, lease_until = NULL, finished_at = now(),
        n_cancelled = n_total - n_done - n_failed
    WHERE queue_no = %(queue_no)s AND state IN ('ready', 'processing')
),
-- Lines that were never written follow their batch; draft ones are all in open batches.
line AS (
    UPDATE sync_line SET state = 'cancelled'
    WHERE queue_no = %(queue_no)s AND state IS NOT NULL AND state = 'draft'
),
-- Nothing tries them again by itself any more.
conflict AS (
    UPDATE sync_conflict SET strategy = 'Manual', next_try_at = NULL, updated_at = now()
    WHERE queue_no = %(queue_no)s AND state = 'open' AND strategy = 'AutoRetry'
)
UPDATE sync_queue
SET cancelled_at = now(), stage = 'finished', finished_at = now(), is_paused = false,
    stage_lease_until = NULL, retry_at = NULL, is_action_required = false,
    action_required_reason = NULL, updated_at = now()
WHERE queue_no = %(queue_no)s
