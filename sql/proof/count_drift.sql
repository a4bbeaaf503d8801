-- How many rows of ours were changed by hand since they were applied. Caller: stages.certificate, at the
--   end of whole readings that are asked for (nightly). Composed per entity: proof/drifted.sql.
-- Index: as there.
SELECT count(*) AS n_drifted
FROM (
{drifted}
) AS drifted
WHERE NOT drifted.is_lost AND EXISTS (
    SELECT FROM jsonb_each(drifted.base) AS was
    WHERE was.value IS DISTINCT FROM drifted.ours -> was.key)
