-- Have variations name no product whose row a queue removed. Caller: as release_customers.sql.
-- Index: sync_activity_queue_idx of one range; product is read whole, once a queue that removed rows.
WITH removed AS MATERIALIZED (
    SELECT (a.before ->> 'id')::uuid AS id FROM sync_activity AS a
    WHERE a.queue_no = %(queue_no)s AND a.activity_type = 'record_deleted'
      AND a.after IS NULL AND a.before IS NOT NULL
),
named AS MATERIALIZED (
    SELECT v.id FROM product AS v
    WHERE v.parent_id IN (SELECT id FROM removed)
      AND NOT EXISTS (SELECT FROM product AS p WHERE p.id = v.parent_id)
    ORDER BY v.id
    FOR NO KEY UPDATE OF v
)
UPDATE product AS v SET parent_id = NULL
FROM named WHERE v.id = named.id
