-- Let this transaction delete activity. Caller: queue.retention, as the owner. Index: none.
SELECT set_config('app.retention', 'on', true)
