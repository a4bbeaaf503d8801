-- Note with each conflict of a queue's lines that the queue decides about it.
-- Caller: queue.conflicts.resolving, after lines.sql. Index: sync_line_pkey, sync_conflict_pkey.
UPDATE sync_conflict AS c
SET resolution_queue_no = %(queue_no)s
FROM sync_line AS l
WHERE l.queue_no = %(queue_no)s
  AND c.conflict_no = (l.payload #>> '{_change,conflict_no}')::bigint
