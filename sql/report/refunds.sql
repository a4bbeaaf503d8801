-- Refunds of a connection's orders by currency and the order's status.
-- Caller: reports.gathering. Index: sales_order_changed_idx (source), sales_order_line_pkey.
-- Refunds of nothing (a piece was put back, no money moved) are left out.
SELECT o.currency, o.status, count(*) AS refunds, count(DISTINCT o.id) AS orders,
    -sum(l.total) AS amount
FROM sales_order AS o
JOIN sales_order_line AS l ON l.order_id = o.id AND l.kind = 'refund' AND l.total <> 0
WHERE o.org_id = %(org_id)s::sync_org_id AND o.source = %(source)s AND o.refunded <> 0
GROUP BY 1, 2
ORDER BY 1, 2
