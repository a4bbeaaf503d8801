-- depends: 0019_preview
-- What records are remembered and audited by, compressed by lz4 where the server has it (the embedded one
-- has not): an order is 3 KB of it three times. What is there stays as it is until it is written anew.
DO $$
DECLARE
    name regclass;
BEGIN
    ALTER TABLE sync_record ALTER COLUMN base SET COMPRESSION lz4;
    ALTER TABLE sync_archive ALTER COLUMN contents SET COMPRESSION lz4;
    ALTER TABLE sync_conflict ALTER COLUMN details SET COMPRESSION lz4;
    ALTER TABLE sales_order ALTER COLUMN items SET COMPRESSION lz4;
    -- Of every range, for this says nothing to what a table is made of.
    FOR name IN SELECT relid FROM pg_partition_tree('sync_activity') LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN before SET COMPRESSION lz4, '
            'ALTER COLUMN after SET COMPRESSION lz4, ALTER COLUMN details SET COMPRESSION lz4', name);
    END LOOP;
EXCEPTION WHEN feature_not_supported THEN NULL;
END $$;
