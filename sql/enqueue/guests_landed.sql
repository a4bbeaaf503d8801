-- How many guests landed beside a queue's accounts. Caller: stages.enqueue. Index: sync_page_pkey.
SELECT coalesce(sum(n_records), 0) AS n_records FROM sync_page
WHERE queue_no = %(queue_no)s AND listing = %(listing)s
