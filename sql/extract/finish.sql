-- Extract is done: note what it proved and go on to enqueue. No row: another process did it.
-- Caller: stages.extract. Index: sync_queue_pkey.
UPDATE sync_queue
SET stage = 'enqueue', is_complete = %(is_complete)s, source_total = %(source_total)s,
    extract_note = %(note)s, updated_at = now(), last_process_date = now()
WHERE queue_no = %(queue_no)s AND stage = 'extract'
RETURNING queue_no
