-- How many records a replay is about. Caller: stages.replay.
-- Composed per entity: which (replay/records.sql). Index: as there.
SELECT count(*) AS n_wanted FROM (
{records}
) AS wanted
