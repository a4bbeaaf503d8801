-- How many of the chosen conflicts there are, by connection, entity and whether fields are in dispute.
-- Caller: queue.conflicts.resolving. Composed: chosen.sql. Index: as there.
SELECT k.name AS connection, c.connection_id, c.entity,
    c.conflict_type = 'DataMismatch' AS is_mismatch, count(*) AS n_conflicts
FROM ({chosen}) AS c JOIN sync_connection AS k ON k.connection_id = c.connection_id
GROUP BY 1, 2, 3, 4
ORDER BY 1, 3, 4
