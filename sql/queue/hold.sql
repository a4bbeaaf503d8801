-- Keep others from numbering new batches of a queue until this transaction ends.
-- Caller: queue.completion.split, before split.sql. Index: sync_queue_pkey.
-- Why a statement of its own: split.sql must take its snapshot after the wait, to see the number
--   that the other one took.
SELECT queue_no FROM sync_queue WHERE queue_no = %(queue_no)s FOR NO KEY UPDATE
