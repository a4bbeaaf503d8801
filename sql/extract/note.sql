-- What an extract found. Caller: stages.extract, stages.enqueue. Index: sync_queue_pkey.
SELECT stage, extract_note, is_complete, source_total FROM sync_queue
WHERE queue_no = %(queue_no)s
