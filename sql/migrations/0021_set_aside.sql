-- depends: 0020_compression
-- Why our row does not hold the content that the record is known by, though nothing of it is left to
-- apply: reverted (an undo took it back), skipped (a person left it). NULL: it does.
ALTER TABLE sync_record ADD COLUMN IF NOT EXISTS set_aside text;
-- References that were filled in later belong to what the record is taken to have: as edits of ours they
-- would stay when the store names another. Those that are what the store names, and no person's.
UPDATE sync_record AS r
SET base = r.base || jsonb_build_object('customer_id', o.customer_id)
FROM sales_order AS o
JOIN sync_record AS known
    ON known.entity = 'customers' AND known.local_id = o.customer_id
    AND known.external_id = o.customer_external_id
WHERE r.entity = 'orders' AND r.local_id = o.id AND r.connection_id = known.connection_id
  AND r.base ->> 'customer_id' IS NULL AND r.base IS NOT NULL;
UPDATE sync_record AS r
SET base = r.base || jsonb_build_object('parent_id', p.parent_id)
FROM product AS p
JOIN product AS parent
    ON parent.id = p.parent_id AND parent.source_key = p.source || ':' || p.parent_external_id
WHERE r.entity = 'products' AND r.local_id = p.id
  AND r.base ->> 'parent_id' IS NULL AND r.base IS NOT NULL;
