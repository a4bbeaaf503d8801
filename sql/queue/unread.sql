-- Lines that an operator wants tried again and whose record we never had: the store could not serve
-- it, or PostgreSQL could not hold it. Without an id there is nothing to ask the store for.
-- Caller: queue.completion.awaits_reread (a leased batch), stages.refetch (the whole queue).
-- Index: sync_line_pkey.
-- Why no code: actions/retry.sql clears it, and who read in vain writes it again.
SELECT line_no, external_id FROM sync_line
WHERE queue_no = %(queue_no)s AND line_no BETWEEN %(first_line)s AND %(last_line)s
  AND state IS NOT NULL AND state = 'draft' AND error_code IS NULL AND payload ? '_invalid'
  AND external_id NOT LIKE 'offset:%%'
ORDER BY line_no
LIMIT %(most)s
