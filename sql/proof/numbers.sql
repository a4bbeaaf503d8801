-- What the certificate of a sync says besides its digests.
-- Caller: stages.certificate. Index: sync_queue_pkey, sync_queue_latest_idx, sync_conflict_queue_idx,
--   sync_conflict_open_idx, sync_record_pkey (one range of it), sync_activity_queue_idx.
-- Superseded lines are counted in the audit, and only where another queue could have come between.
SELECT
    (SELECT count(*) FROM sync_conflict AS c
     WHERE c.queue_no = %(queue_no)s AND c.state = 'open') AS conflicted,
    (SELECT count(*) FROM sync_conflict AS c
     WHERE c.connection_id = q.connection_id AND c.entity = q.entity AND c.state = 'open')
        AS open_conflicts,
    (SELECT coalesce(jsonb_object_agg(gone.reason, gone.n_records), '{}') FROM (
        SELECT coalesce(r.tombstone_reason, 'taken over') AS reason, count(*) AS n_records
        FROM sync_record AS r
        WHERE r.connection_id = q.connection_id AND r.entity = q.entity
          AND r.tombstoned_at >= q.created_at
        GROUP BY 1) AS gone) AS tombstoned,
    CASE WHEN beside.is_there THEN (
        SELECT count(*) FROM sync_activity AS a
        WHERE a.queue_no = %(queue_no)s AND a.activity_type = 'record_superseded') ELSE 0 END
        AS superseded,
    -- Customers' figures come from the orders that another sync may have taken over meanwhile.
    EXISTS (SELECT FROM sync_queue AS other
            WHERE other.connection_id = q.connection_id AND other.entity = ANY (%(feeders)s)
              AND other.queue_no <> q.queue_no AND NOT other.is_beside
              AND (other.apply_began_at >= q.created_at OR other.stage = 'enqueue'))
        AS is_fed_meanwhile
FROM sync_queue AS q
CROSS JOIN LATERAL (
    SELECT EXISTS (SELECT FROM sync_queue AS other
                   WHERE other.connection_id = q.connection_id AND other.entity = q.entity
                     AND other.queue_no <> q.queue_no
                     AND (other.finished_at IS NULL OR other.finished_at >= q.created_at))
        AS is_there
) AS beside
WHERE q.queue_no = %(queue_no)s
