-- Rows of ours that are not as the last sync took them to be: somebody changed or deleted them by hand.
--   One row per field that moved; of a row that is gone one without a field.
-- Caller: stages.proof, streamed, under proof/as_sets.sql.
-- Composed per entity: proof/drifted.sql. Index: as there.
-- Fields that base does not have were not mapped when the record was applied, and records of before
--   there was a base are not compared.
SELECT CASE WHEN drifted.is_lost THEN 'lost' ELSE 'drift' END AS kind, drifted.external_id,
    field.name AS field, field.base::text AS theirs, field.ours::text AS ours, NULL AS reason
FROM (
{drifted}
) AS drifted
LEFT JOIN LATERAL (
    SELECT was.key AS name, was.value AS base, drifted.ours -> was.key AS ours
    FROM jsonb_each(drifted.base) AS was
    WHERE NOT drifted.is_lost AND was.value IS DISTINCT FROM drifted.ours -> was.key
) AS field ON true
WHERE drifted.is_lost OR field.name IS NOT NULL
