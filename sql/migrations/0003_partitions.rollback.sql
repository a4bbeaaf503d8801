-- The partitioned tables go with 0001_core; without these functions nobody makes further ranges.
DROP FUNCTION IF EXISTS sync_make_range(bigint);
DROP FUNCTION IF EXISTS sync_make_partition(text, text, text, text);
