"""Ranges of queue numbers: which tables hold the lines, activity and pages of a queue.

Belongs here: names. Does not: making the tables (sql/migrations/0003_partitions.sql), dropping them
(queue/retention.py).
"""

from typing import Literal

from psycopg import sql

QUEUES_PER_RANGE = 10_000

Ranged = Literal["sync_line", "sync_activity", "sync_page"]


def range_of(queue_no: int) -> int:
    """The range that a queue is in, from 0."""
    return queue_no // QUEUES_PER_RANGE


def table_of(whole: Ranged, range_no: int) -> sql.Identifier:
    """The table with the rows of one range, of a table that is cut into ranges."""
    return sql.Identifier(f"{whole}_r{range_no}")
