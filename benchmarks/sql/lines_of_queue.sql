-- The records of a queue as its lines hold them. Composed: the table of the queue's range.
SELECT line_no, external_id, content_hash, 0 AS error_count, payload
FROM {}
WHERE queue_no = %(queue_no)s
