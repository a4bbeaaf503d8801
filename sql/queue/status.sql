-- Every number of one queue. Caller: queue.queues.queue_status. Index: sync_queue_pkey,
--   sync_batch_pkey (2,000 batches of 1,000,000 lines: 0.9 ms).
SELECT * FROM sync_queue_status WHERE queue_no = %(queue_no)s
