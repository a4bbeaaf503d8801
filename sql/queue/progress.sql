-- Everything about how one queue stands. Caller: queue.progress.standing, once a second by whoever
--   watches. Index: as sync_queue_progress.
SELECT * FROM sync_queue_progress WHERE queue_no = %(queue_no)s
