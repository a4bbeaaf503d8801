-- Move a queue to the stage after enqueue, once. No row: another process did it.
-- Caller: stages.enqueue, after hold_alone.sql in its transaction. Index: sync_queue_pkey.
UPDATE sync_queue
SET stage = 'apply', updated_at = now(), last_process_date = now(), apply_began_at = now()
WHERE queue_no = %(queue_no)s AND stage = 'enqueue'
RETURNING queue_no
