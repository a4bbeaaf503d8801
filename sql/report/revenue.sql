-- Orders of a connection by month (UTC), currency and status.
-- Caller: reports.gathering, which knows the statuses that are revenue.
-- Index: sales_order_changed_idx (source); every order is read once, and a group a row leaves.
SELECT coalesce(to_char(ordered_at AT TIME ZONE 'UTC', 'YYYY-MM'), 'no date') AS month,
    currency, status, count(*) AS orders, sum(total) AS gross, sum(refunded) AS refunded,
    sum(net) AS net
FROM sales_order
WHERE org_id = %(org_id)s::sync_org_id AND source = %(source)s
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
