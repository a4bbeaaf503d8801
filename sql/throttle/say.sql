-- Write into the activity of every open queue of a connection what became of it.
-- Caller: sources.throttle.activity. Index: sync_queue_open_idx.
INSERT INTO sync_activity (queue_no, org_id, activity_type, status, message, details)
SELECT queue_no, org_id, %(activity_type)s, %(status)s, %(message)s, %(details)s
FROM sync_queue WHERE connection_id = %(connection_id)s AND stage <> 'finished'
