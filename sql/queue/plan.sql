-- How complete.sql is planned: once per connection, by index look-ups only.
-- Caller: queue.completion.complete, in the same transaction (the settings end with it).
-- Why: planning its 20 parts takes 3 to 5 ms, 8 us a line, and there is one right plan. Every other
--   one was met while a table grew under stale statistics, and cost seconds a batch: a hash of the
--   whole queue, a scan of the whole table, a cache of every row that never hits.
SELECT set_config('plan_cache_mode', 'force_generic_plan', true),
    set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
    set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
    set_config('enable_memoize', 'off', true), set_config('jit', 'off', true),
    -- A worker that stalls between its statement and its commit would keep the batch locked, and
    -- SKIP LOCKED keep others from it, for as long as it sleeps: the server ends it instead.
    set_config('idle_in_transaction_session_timeout', '10s', true)
