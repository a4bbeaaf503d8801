-- Join and group by hash until the transaction ends.
-- Caller: stages.proof. Index: none, settings.
-- Why: where nothing was analyzed yet one row is expected of every table, and sets would be joined by
--   loops (150 s for 300,000 records) and grouped by sorting them.
SELECT set_config('enable_nestloop', 'off', true), set_config('enable_sort', 'off', true)
