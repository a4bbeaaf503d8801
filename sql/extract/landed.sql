-- The ranges of a listing that landed, in order. Caller: stages.landing. Index: sync_page_pkey.
SELECT first_offset, record_limit, n_records, total, fetched_at
FROM sync_page
WHERE queue_no = %(queue_no)s AND listing = %(listing)s AND first_offset >= 0
ORDER BY first_offset, record_limit
