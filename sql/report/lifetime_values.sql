-- What customers of a connection ordered, by segment, status and currency, under the rule of their
-- last sync. customer.lifetime_value adds up currencies; this is the same money, apart.
-- Guests' orders count for the guest, or the account of the same e-mail, where guests are included.
-- Caller: reports.gathering.
-- Index: sync_order_figure_pkey and sync_record_pkey, one connection's range each; customer_pkey.
WITH rule AS MATERIALIZED (
    SELECT coalesce((
        SELECT q.lifetime_value_rule FROM sync_queue AS q
        WHERE q.connection_id = %(connection_id)s AND q.entity = 'customers'
          AND q.stage = 'finished' AND q.cancelled_at IS NULL
        ORDER BY q.created_at DESC LIMIT 1), 'all_orders') AS name
),
figure AS MATERIALIZED (
    SELECT f.customer_key AS external_id, f.currency,
        CASE rule.name
            WHEN 'paid_net' THEN coalesce(sum(f.total - f.refunded)
                FILTER (WHERE f.status IN ('processing', 'completed')), 0)
            ELSE sum(f.total)
        END AS value
    FROM sync_order_figure AS f CROSS JOIN rule
    WHERE f.connection_id = %(connection_id)s AND f.customer_key IS NOT NULL
    GROUP BY f.customer_key, f.currency, rule.name
)
SELECT coalesce(c.segment, 'none') AS segment, coalesce(c.status, 'none') AS status,
    coalesce(nullif(figure.currency, ''), 'unknown') AS currency,
    count(*) AS customers, sum(figure.value) AS lifetime_value, min(rule.name) AS rule
FROM sync_record AS r
JOIN figure ON figure.external_id = r.external_id
JOIN customer AS c ON c.id = r.local_id AND c.org_id = %(org_id)s::sync_org_id
CROSS JOIN rule
WHERE r.connection_id = %(connection_id)s AND r.entity = 'customers' AND r.tombstoned_at IS NULL
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
