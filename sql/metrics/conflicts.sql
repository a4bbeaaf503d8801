-- Open conflicts by connection, entity and type, as sync_control. Caller: queue.metrics, once a scrape.
-- Index: sync_conflict_connection_idx (the open ones of each connection).
SELECT c.name AS connection, c.org_id::text AS organization, s.entity, s.conflict_type,
    count(*) AS n_conflicts
FROM sync_connection AS c
JOIN sync_conflict AS s ON s.connection_id = c.connection_id AND s.state = 'open'
WHERE c.is_active
GROUP BY c.name, c.org_id, s.entity, s.conflict_type
ORDER BY c.name, s.entity, s.conflict_type
