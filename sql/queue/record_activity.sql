-- One audit row about a queue as a whole. Caller: queue.queues.record_activity.
INSERT INTO sync_activity (queue_no, org_id, activity_type, status, message, details)
VALUES (%(queue_no)s, %(org_id)s::sync_org_id, %(activity_type)s, %(status)s, %(message)s,
    %(details)s)
