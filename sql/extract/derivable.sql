-- How many records the derivation gives in all.
-- Caller: stages.derive, beside what changed. Composed per entity: its derivation.
-- Index: that of the derivation, read whole; no record is built for it.
SELECT count(*) AS n_records FROM (
{derivation}
) AS source
