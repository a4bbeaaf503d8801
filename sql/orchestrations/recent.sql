-- The newest orchestrations, of one organization or (NULL) of all.
-- Caller: queue.orchestrations.records. Index: sync_orchestration_created_idx or
--   sync_orchestration_org_idx; the view is computed for those that are listed only.
SELECT status.*
FROM (
    SELECT orchestration_no FROM sync_orchestration
    WHERE (%(org_id)s::text IS NULL OR org_id = %(org_id)s::text::sync_org_id)
    ORDER BY created_at DESC LIMIT %(most)s
) AS newest
CROSS JOIN LATERAL (
    SELECT * FROM sync_orchestration_status AS s
    WHERE s.orchestration_no = newest.orchestration_no OFFSET 0
) AS status
ORDER BY status.created_at DESC
