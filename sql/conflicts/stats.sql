-- How many conflicts there are, by what, in one pass. Caller: queue.conflicts.stats, as sync_control.
-- Index: sync_conflict_connection_idx where a connection is named, else sync_conflict is read whole.
SELECT
    CASE WHEN grouping(c.conflict_type) = 0 THEN 'type' WHEN grouping(c.strategy) = 0 THEN 'strategy'
         WHEN grouping(c.age) = 0 THEN 'age' WHEN grouping(c.connection) = 0 THEN 'connection'
         ELSE 'total' END AS dimension,
    coalesce(c.conflict_type, c.strategy, c.age,
        c.connection || ' ' || c.entity, 'all') AS value,
    count(*) AS n_conflicts,
    min(c.created_at) AS oldest_at
FROM (
    SELECT conflict.conflict_type, conflict.strategy, conflict.entity, conflict.created_at,
        k.name AS connection,
        CASE WHEN conflict.created_at > now() - interval '1 hour' THEN 'up to an hour'
             WHEN conflict.created_at > now() - interval '1 day' THEN 'up to a day'
             WHEN conflict.created_at > now() - interval '7 days' THEN 'up to a week'
             ELSE 'over a week' END AS age
    FROM sync_conflict AS conflict
    JOIN sync_connection AS k ON k.connection_id = conflict.connection_id
    WHERE (%(connection_id)s::bigint IS NULL OR conflict.connection_id = %(connection_id)s)
      AND (%(state)s::text IS NULL OR conflict.state = %(state)s)
) AS c
GROUP BY GROUPING SETS ((c.conflict_type), (c.strategy), (c.age), (c.connection, c.entity), ())
ORDER BY dimension, n_conflicts DESC, value
