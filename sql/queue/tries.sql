-- How often the pending lines of a batch in a later pass failed since their tries began, at most.
-- Caller: queue.completion.tries. Index: sync_line_pkey.
SELECT coalesce(max(error_count), 0)::integer AS n_failures FROM sync_line
WHERE queue_no = %(queue_no)s AND line_no BETWEEN %(first_line)s AND %(last_line)s
  AND state IS NOT NULL AND state = 'draft'
