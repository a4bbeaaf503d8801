-- Nothing to add to the records of an entity. Used by: enqueue/hashed.sql.
SELECT NULL::text AS external_id, NULL::jsonb AS extra WHERE false
