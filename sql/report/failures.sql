-- Why records of a connection are not as in the store: failed lines of the last sync of each entity
-- and conflicts that are open, by code.
-- Caller: reports.gathering.
-- Index: sync_queue_latest_idx, sync_line_written_idx (one queue), sync_conflict_open_idx.
-- Why OFFSET 0: each queue's lines are one look into the one range that holds them.
WITH latest AS MATERIALIZED (
    SELECT DISTINCT ON (q.entity) q.entity, q.queue_no
    FROM sync_queue AS q WHERE q.connection_id = %(connection_id)s AND NOT q.is_beside
    ORDER BY q.entity, q.created_at DESC
),
failed AS (
    SELECT latest.entity, coalesce(line.error_code, 'unknown') AS code, count(*) AS n
    FROM latest CROSS JOIN LATERAL (
        SELECT l.error_code FROM sync_line AS l
        WHERE l.queue_no = latest.queue_no AND l.state IS NOT NULL AND l.state = 'failed'
        OFFSET 0
    ) AS line
    GROUP BY 1, 2
),
disputed AS (
    SELECT c.entity, coalesce(c.details ->> 'code', c.conflict_type) AS code, count(*) AS n
    FROM sync_conflict AS c
    WHERE c.connection_id = %(connection_id)s AND c.state = 'open'
    GROUP BY 1, 2
)
SELECT entity, code, coalesce(failed.n, 0) AS failed_lines,
    coalesce(disputed.n, 0) AS open_conflicts
FROM failed FULL JOIN disputed USING (entity, code)
ORDER BY entity, code
