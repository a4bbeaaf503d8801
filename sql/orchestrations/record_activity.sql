-- One audit row about an orchestration as a whole. Caller: queue.orchestrations.audit.
INSERT INTO sync_activity_log (orchestration_no, org_id, activity_type, status, message, details)
VALUES (%(orchestration_no)s, %(org_id)s::sync_org_id, %(activity_type)s, %(status)s, %(message)s,
    %(details)s)
