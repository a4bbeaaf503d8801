DROP POLICY IF EXISTS sync_every_organization ON sync_conflict;
DROP INDEX IF EXISTS sync_conflict_listed_idx;
DROP INDEX IF EXISTS sync_conflict_connection_idx;
