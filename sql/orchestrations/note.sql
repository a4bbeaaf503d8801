-- Note the end that an orchestration came to, or (NULL) that it goes on; one row: it was not noted.
-- Caller: queue.orchestrations.audit. Index: sync_orchestration_pkey.
-- Of two who see it at once the second waits for the first and finds it noted.
UPDATE sync_orchestration SET noted_state = %(state)s
WHERE orchestration_no = %(orchestration_no)s AND noted_state IS DISTINCT FROM %(state)s
RETURNING orchestration_no
