-- How many lines a queue has. Caller: stages.enqueue. Index: sync_batch_pkey.
SELECT coalesce(sum(n_total), 0) AS n_lines FROM sync_batch WHERE queue_no = %(queue_no)s
