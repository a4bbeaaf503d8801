"""Statistics: what the planner has to know of a queue that was just made.

Belongs here: which tables and columns. Does not: from how many lines on it is worth it (who makes
them).
"""

from psycopg import sql

from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.ranges import range_of, table_of


def analyze_queue(database: Database, queue_no: int) -> None:
    """Have statistics know the batches and lines of a queue, which may be larger than all before.

    Else claims are planned for an empty table. And after many queues of a line each, all indexes
    that begin with queue_no look alike: each line may be looked up by one that walks the whole
    queue. Payloads are not read for it (0.3 s of 100,000 lines).
    """
    lines = table_of("sync_line", range_of(queue_no))
    with database.owner() as conn:
        conn.execute("ANALYZE sync_batch")
        conn.execute(sql.SQL("ANALYZE (SKIP_LOCKED) {} (queue_no, line_no)").format(lines))
