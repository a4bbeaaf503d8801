-- Hold the chosen conflicts: no sync changes them while it is decided about them.
-- Caller: queue.conflicts.resolving. Composed: chosen.sql. Index: as there.
SELECT count(*) AS n_held FROM (
    SELECT FROM ({chosen}) AS c
    ORDER BY c.conflict_no
    FOR UPDATE OF c
) AS held
