-- What an undo asked about is no question any more once the undo itself is taken back.
-- Caller: queue.reverting, in the transaction that opens the queue. Index: sync_conflict_queue_idx.
UPDATE sync_conflict
SET state = 'resolved', resolved_at = now(), resolved_by = %(by)s, updated_at = now(),
    resolution = 'the undo was taken back'
WHERE queue_no = %(reverted_no)s AND state = 'open' AND details ? 'change'
