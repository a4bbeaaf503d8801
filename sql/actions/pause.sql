-- Nothing of the queue is claimed or read until it is resumed. Caller: queue.actions.pause.
-- Index: sync_queue_pkey.
UPDATE sync_queue SET is_paused = true, updated_at = now() WHERE queue_no = %(queue_no)s
