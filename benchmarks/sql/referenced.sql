-- What made orders refer to: the products that their lines name, and a record for every customer.
-- A sync reads customers and products before orders, so references are found, not left open.
WITH products AS (
    INSERT INTO product (org_id, source, external_id, type, status, name)
    SELECT %(org_id)s::sync_org_id, %(source)s, made::text, 'simple', 'publish', 'Product ' || made
    FROM unnest(%(product_ids)s::bigint[]) AS made
)
INSERT INTO sync_record (connection_id, entity, external_id, org_id, local_id, content_hash, origin,
    origin_queue_no, applied_queue_no)
SELECT %(connection_id)s, 'customers', made::text, %(org_id)s::sync_org_id, gen_random_uuid(),
    gen_random_uuid(), 'created', 0, 0
FROM generate_series(%(first_customer)s::bigint, %(last_customer)s::bigint) AS made
