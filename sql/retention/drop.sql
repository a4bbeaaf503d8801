-- Drop tables of a range; their room goes back to the disk at the commit.
-- Caller: queue.retention, last in its transaction: the lock on the whole table ends with it.
-- Composed: the names. Index: none. Lines before activity before pages, as everybody takes them.
DROP TABLE IF EXISTS {tables}
