-- depends: 0016_changes
-- As what the store has a record that its listing does not show: its role, its status. NULL: it is
-- listed, or nobody asked. Such a record is neither missing from the listing nor deleted.
ALTER TABLE sync_record ADD COLUMN IF NOT EXISTS elsewhere_as text;
CREATE INDEX IF NOT EXISTS sync_record_elsewhere_idx
    ON sync_record (connection_id, entity) WHERE elsewhere_as IS NOT NULL;
-- Who had a row of ours before: what it left there is the store's.
CREATE INDEX IF NOT EXISTS sync_record_retired_idx
    ON sync_record (local_id) WHERE tombstoned_at IS NOT NULL;
-- Which variations a product has, among all products: is one named no more?
CREATE INDEX IF NOT EXISTS product_parent_idx
    ON product (source, parent_external_id) WHERE parent_external_id IS NOT NULL;
