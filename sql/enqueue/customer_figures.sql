-- Figures of every customer of a store, from all its orders: (external_id, extra).
-- Used by: enqueue/hashed.sql. Index: sync_order_figure_pkey, one connection's range of it.
-- Rule: total is the old rule, every order that is listed; net is processing and completed orders
--   less their refunds. A guest's orders count for the account of its e-mail, for the guest where there
--   is none, and for nobody where guests are left out.
SELECT
    customer_key AS external_id,
    jsonb_build_object('order_figures', jsonb_build_object(
        'count', count(*),
        'completed', count(*) FILTER (WHERE status = 'completed'),
        'total', sum(total),
        'net', coalesce(sum(total - refunded)
            FILTER (WHERE status IN ('processing', 'completed')), 0),
        'first', min(created_utc),
        'last', max(created_utc))) AS extra
FROM sync_order_figure
WHERE connection_id = %(connection_id)s AND customer_key IS NOT NULL
GROUP BY customer_key
