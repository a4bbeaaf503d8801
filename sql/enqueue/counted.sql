-- Note what a queue's scan amounted to. Caller: stages.enqueue. Index: sync_queue_pkey.
UPDATE sync_queue
SET scanned_count = %(scanned_count)s, unchanged_count = %(unchanged_count)s,
    extract_note = extract_note || %(note)s
WHERE queue_no = %(queue_no)s
