-- The range that queue numbers are taken from. Caller: queue.retention. Index: none, a sequence.
SELECT last_value / %(queues_per_range)s AS range_no FROM sync_queue_queue_no_seq
