-- Columns of one table, as PostgreSQL describes them, and where it is.
-- Caller: orchestration.figures. Index: pg_attribute_relid_attnum_index.
SELECT current_database() AS database, c.relnamespace::regnamespace::text AS schema,
    a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS is_required
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
WHERE a.attrelid = to_regclass(%(table)s) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
