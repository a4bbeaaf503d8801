-- Wait for the batches in hand and keep them: what is completed until then keeps its result.
-- Caller: queue.actions, after queue/hold.sql and before the statement that has the effect, which
--   takes its snapshot after the wait. A worker waits for its batch row at most, so nobody waits
--   for both; claims skip what is held here.
-- Index: sync_batch_open_idx.
WITH held AS MATERIALIZED (
    SELECT batch_no FROM sync_batch
    WHERE queue_no = %(queue_no)s AND state IN ('ready', 'processing')
    ORDER BY batch_no
    FOR UPDATE
)
SELECT count(*) AS n_held FROM held
