-- A constraint trigger goes with its table where that is gone already; 0005 drops the functions.
DO $$
BEGIN
    IF to_regclass('sync_queue') IS NOT NULL THEN
        DROP TRIGGER IF EXISTS sync_queue_ended ON sync_queue;
    END IF;
END $$;
