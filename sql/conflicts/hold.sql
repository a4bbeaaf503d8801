-- Hold the chosen conflicts: no sync changes them while it is decided about them.
-- Caller: queue.conflicts.resolving. Composed: chosen.sql. Index: as there.
SELECT count(*) AS n_held FROM (
    SELECT FROM sync_conflict
    WHERE conflict_no IN (SELECT c.conflict_no FROM ({chosen}) AS c)
    ORDER BY conflict_no
    FOR UPDATE
) AS held
