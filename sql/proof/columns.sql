-- Types of a table's columns, as PostgreSQL writes them. Caller: stages.proof. Index: the catalog's own.
SELECT attname AS name, format_type(atttypid, atttypmod) AS type
FROM pg_attribute
WHERE attrelid = %(table)s::regclass AND attnum > 0 AND NOT attisdropped
