-- What the audit still says that a queue did to our rows: of how many records, of how many since it was
-- taken back last, and above which number none of its lines is. Caller: queue.reverting.
-- Index: sync_activity_queue_idx, of one range.
SELECT count(DISTINCT line_no) AS n_lines,
    count(DISTINCT line_no) FILTER (WHERE created_at > %(since)s) AS n_since,
    coalesce(max(line_no), 0) + 1 AS above
FROM sync_activity
WHERE queue_no = %(queue_no)s AND line_no IS NOT NULL
  AND (activity_type IN ('record_created', 'record_updated', 'record_deleted')
       OR activity_type = 'record_unchanged' AND details ? 'tombstone')
