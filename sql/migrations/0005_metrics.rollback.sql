-- A constraint trigger goes with its table where that is gone already.
DO $$
BEGIN
    IF to_regclass('sync_queue') IS NOT NULL THEN
        DROP TRIGGER IF EXISTS sync_queue_ended ON sync_queue;
    END IF;
END $$;
DROP FUNCTION IF EXISTS sync_queue_ended();
DROP FUNCTION IF EXISTS sync_count_queue(bigint);
DROP TABLE IF EXISTS sync_call_stat, sync_counter;
ALTER TABLE IF EXISTS sync_queue DROP COLUMN IF EXISTS tally;
ALTER TABLE IF EXISTS sync_batch DROP COLUMN IF EXISTS takeover_count;
