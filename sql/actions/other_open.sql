-- The open queue of the same connection and entity, if another one is; windows stand apart,
-- and so does what is no sync.
-- Caller: queue.actions.retry, before it opens a finished queue again. Index: sync_queue_open_idx.
SELECT other.id FROM sync_queue AS q
JOIN sync_queue AS other
    ON other.connection_id = q.connection_id AND other.entity = q.entity
    AND other.is_window = q.is_window AND NOT other.is_beside AND NOT q.is_beside
    AND other.stage <> 'finished' AND other.queue_no <> q.queue_no
WHERE q.queue_no = %(queue_no)s
