-- depends: 0016_changes
-- What people need to find conflicts: the newest first, of an organization or of one connection; and
-- for who counts them over all organizations the columns that hold nothing of a record.

CREATE INDEX IF NOT EXISTS sync_conflict_listed_idx
    ON sync_conflict (org_id, state, conflict_no DESC);
CREATE INDEX IF NOT EXISTS sync_conflict_connection_idx
    ON sync_conflict (connection_id, state, conflict_no DESC);

GRANT SELECT (conflict_no, id, connection_id, entity, conflict_type, strategy, state, tries,
    created_at, resolved_at) ON sync_conflict TO sync_control;
DROP POLICY IF EXISTS sync_every_organization ON sync_conflict;
CREATE POLICY sync_every_organization ON sync_conflict FOR SELECT TO sync_control USING (true);
