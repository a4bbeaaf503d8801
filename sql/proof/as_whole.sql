-- Plan the transaction's cursors for all their rows, not for the first tenth. Caller: stages.verification.
-- Index: none, a setting.
SELECT set_config('cursor_tuple_fraction', '1', true)
