-- What was typed, as the table's columns take it: PostgreSQL says what is no value of a column.
-- Caller: queue.conflicts.typed. Composed per entity: its table. Index: none.
SELECT to_jsonb(given) AS row FROM jsonb_populate_record(NULL::{target}, %(values)s::jsonb) AS given
