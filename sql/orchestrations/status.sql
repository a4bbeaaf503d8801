-- Every number of one orchestration. Caller: queue.orchestrations.records.
-- Index: those of the view.
SELECT * FROM sync_orchestration_status WHERE orchestration_no = %(orchestration_no)s
