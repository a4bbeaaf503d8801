-- Every object of one schema that a migration can make, as one line of words each.
-- Caller: postgres.verification, twice a verify: the schema in use, and a scratch one.
-- Why words: two schemas are compared by name, and what is missing is printed as it is.
-- Types are left out: a key has the type that the company's own table has. So are partitions: which
-- there are follows from the queues there were.
WITH relation AS (
    SELECT c.oid, c.relname, c.relkind, c.relrowsecurity, c.relacl
    FROM pg_class AS c
    WHERE c.relnamespace = %(schema)s::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
      AND NOT c.relispartition
)
SELECT CASE WHEN relkind IN ('v', 'm') THEN 'view ' ELSE 'table ' END || relname AS object
FROM relation
UNION ALL
SELECT 'column ' || relname || '.' || a.attname
FROM relation JOIN pg_attribute AS a ON a.attrelid = relation.oid
WHERE a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT 'index ' || i.relname || ' on ' || relation.relname
FROM relation
JOIN pg_index AS x ON x.indrelid = relation.oid
JOIN pg_class AS i ON i.oid = x.indexrelid
UNION ALL
SELECT 'constraint ' || k.conname || ' on ' || relname
FROM relation JOIN pg_constraint AS k ON k.conrelid = relation.oid
WHERE k.contype IN ('c', 'f')
UNION ALL
SELECT 'policy ' || p.polname || ' on ' || relname
FROM relation JOIN pg_policy AS p ON p.polrelid = relation.oid
UNION ALL
SELECT 'row-level security on ' || relname FROM relation WHERE relrowsecurity
UNION ALL
SELECT 'trigger ' || t.tgname || ' on ' || relname
FROM relation JOIN pg_trigger AS t ON t.tgrelid = relation.oid
WHERE NOT t.tgisinternal
UNION ALL
SELECT 'right of ' || r.rolname || ' to ' || lower(g.privilege_type) || ' ' || relname
FROM relation
CROSS JOIN LATERAL aclexplode(relacl) AS g
JOIN pg_roles AS r ON r.oid = g.grantee
WHERE r.rolname IN ('sync_worker', 'sync_control')
UNION ALL
SELECT 'function ' || p.proname
FROM pg_proc AS p WHERE p.pronamespace = %(schema)s::regnamespace
UNION ALL
SELECT 'type ' || t.typname
FROM pg_type AS t
WHERE t.typnamespace = %(schema)s::regnamespace AND t.typtype IN ('d', 'e')
UNION ALL
SELECT 'role ' || rolname FROM pg_roles
