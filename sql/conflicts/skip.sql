-- Skip chosen conflicts about which there is nothing to apply: what failed stays as it is.
-- Caller: queue.conflicts.resolving, after hold.sql. Composed: chosen.sql. Index: as there.
-- The line's content hash is kept: while the record is the same, complete.sql asks nobody again.
WITH skipped AS (
    UPDATE sync_conflict AS c
    SET state = 'skipped', strategy = 'Skip', next_try_at = NULL, resolved_at = now(),
        resolved_by = %(by)s, resolution = %(why)s, updated_at = now()
    FROM ({chosen}) AS chosen
    WHERE c.conflict_no = chosen.conflict_no AND c.conflict_type <> 'DataMismatch'
    RETURNING c.org_id, c.queue_no, c.line_no, c.external_id, c.conflict_type
),
-- A queue that was purged has no range to write to any more: then it concerns none.
audited AS (
    INSERT INTO sync_activity (
        queue_no, line_no, org_id, activity_type, status, message, details)
    SELECT coalesce(q.queue_no, 0), CASE WHEN q.queue_no IS NOT NULL THEN s.line_no END, s.org_id,
        'conflict_skipped', 'info', %(why)s,
        jsonb_build_object('by', %(by)s::text, 'why', %(why)s::text, 'external_id', s.external_id,
            'conflict_type', s.conflict_type)
    FROM skipped AS s LEFT JOIN sync_queue AS q ON q.queue_no = s.queue_no
)
SELECT count(*) AS n_skipped FROM skipped
