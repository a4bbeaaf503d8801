-- Make the room of deleted queues and batches free for new ones, and return what is at the end.
-- Caller: queue.retention, outside of a transaction. It stops nobody, and lets go when others wait.
VACUUM (SKIP_LOCKED) sync_queue, sync_batch
