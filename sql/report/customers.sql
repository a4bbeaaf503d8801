-- Customers of a connection by segment and status.
-- Caller: reports.gathering. Index: sync_record_pkey (one range), customer_pkey.
SELECT coalesce(c.segment, 'none') AS segment, coalesce(c.status, 'none') AS status,
    count(*) AS customers
FROM sync_record AS r
JOIN customer AS c ON c.id = r.local_id AND c.org_id = %(org_id)s::sync_org_id
WHERE r.connection_id = %(connection_id)s AND r.entity = 'customers' AND r.tombstoned_at IS NULL
GROUP BY 1, 2
ORDER BY 1, 2
