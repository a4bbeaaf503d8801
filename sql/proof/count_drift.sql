-- How many rows of ours were changed by hand since they were applied, and how many are gone.
-- Caller: stages.proof, under proof/as_sets.sql. Composed per entity: proof/drifted.sql. Index: as there.
-- Fields that base does not have were not mapped when the record was applied.
SELECT count(*) FILTER (WHERE drifted.is_lost) AS n_lost,
    count(*) FILTER (WHERE NOT drifted.is_lost AND EXISTS (
        SELECT FROM jsonb_each(drifted.base) AS was
        WHERE was.value IS DISTINCT FROM drifted.ours -> was.key)) AS n_drifted
FROM (
{drifted}
) AS drifted
