-- Join sets by hash until the transaction ends.
-- Caller: stages.guests, stages.absences, queue.reverting. Index: none, a setting.
-- Why: where nothing was analyzed yet one row is expected of every table, and each account would be
--   looked for among all that landed: 300,000 beside as many took over 150 s, and 8 s by hash.
SELECT set_config('enable_nestloop', 'off', true)
