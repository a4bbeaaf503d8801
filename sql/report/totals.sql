-- Rows of the target that the organization has, and records and open conflicts of one sync's scope.
-- Caller: orchestration.figures, once per run. Index: sync_record_pkey (one range),
--   sync_conflict_queue_idx; the target is counted whole, as row-level security shows it.
SELECT
    (SELECT count(*) FROM {target} WHERE org_id = %(org_id)s::sync_org_id) AS n_rows,
    (SELECT count(*) FROM sync_record
     WHERE connection_id = %(connection_id)s AND entity = %(entity)s
       AND tombstoned_at IS NULL) AS n_records,
    (SELECT count(*) FROM sync_conflict
     WHERE queue_no = %(queue_no)s AND state = 'open') AS n_conflicts
