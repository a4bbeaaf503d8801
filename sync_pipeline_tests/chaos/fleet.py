"""Stores of several organizations, synced by a deployment that a test kills parts of.

Belongs here: making the stores, opening their queues as `sync --no-wait` does, reading how it
stands, holding it to "exactly once". Does not: the processes (end_to_end/stack.py), what is killed.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import yaml

from sync_pipeline.demo import DemoServer
from sync_pipeline.errors import TransientError
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.opening import open_queue
from sync_pipeline.queue.queues import Queue
from sync_pipeline.settings import QueueSettings
from sync_pipeline.sources.connections import Connection
from sync_pipeline_tests.end_to_end.stack import Stack
from sync_pipeline_tests.factories import Record, customer, make_connection, order, store

_USUAL_START_SECONDS = 12
_EXACT = """
    SELECT s.queue_no, s.state, s.total_count, s.done_count, s.is_action_required,
           a.audited, a.lines, a.read, a.enqueued, a.finished, a.by_hand
    FROM sync_queue_status AS s CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE activity_type IN ('record_created', 'record_updated'))
                   AS audited,
               count(DISTINCT line_no) AS lines,
               count(*) FILTER (WHERE activity_type = 'extract_completed') AS read,
               count(*) FILTER (WHERE activity_type = 'enqueue_completed') AS enqueued,
               count(*) FILTER (WHERE activity_type = 'queue_finished') AS finished,
               count(*) FILTER (WHERE activity_type IN ('queue_resumed', 'queue_retried',
                                   'queue_forced_done')) AS by_hand
        FROM sync_activity WHERE queue_no = s.queue_no) AS a
    ORDER BY s.queue_no
"""
_NAMES = """
    SELECT connection.name AS shop, count(*) AS customers, count(DISTINCT customer.id) AS rows,
           array_agg(DISTINCT split_part(customer.name, ' ', 1)) AS first_names
    FROM sync_record AS record
    JOIN sync_connection AS connection USING (connection_id)
    JOIN customer ON customer.id = record.local_id AND customer.org_id = record.org_id
    GROUP BY 1 ORDER BY 1
"""


@dataclass
class Shop:
    """A served store, its connection, and the syncs of it that were opened."""

    server: DemoServer
    connection: Connection
    customers: int
    queues: list[Queue] = field(default_factory=list)
    rounds: int = 0

    @property
    def name(self) -> str:
        return self.connection.name

    @property
    def first_name(self) -> str:
        """What everybody is called since the last sync was opened."""
        return f"Ann{self.rounds}"

    def open(self, database: Database, **settings: Any) -> Queue:
        """Call everybody anew, and open a sync that brings it here; safe to repeat."""
        first_name = f"Ann{self.rounds + 1}"
        for number in range(1, self.customers + 1):
            self.server.store.edit_customer(number, bump=False, first_name=first_name)
        queue, _ = open_queue(
            database,
            self.connection,
            "customers",
            settings=QueueSettings(**settings),
            idempotency_key=f"{self.name} {first_name}",
            created_by="test",
        )
        self.queues.append(queue)
        self.rounds += 1
        return queue


@contextmanager
def served_shops(
    database: Database,
    organizations: Sequence[str],
    customers: int,
    latency_seconds: float = 0.0,
    *,
    prefix: str = "shop",
) -> Iterator[list[Shop]]:
    """One store per entry, of the organization it names: shop-1, shop-2, …"""
    with ExitStack() as serving:
        shops = []
        for number, org_id in enumerate(organizations, start=1):
            records = [
                customer(n, email=f"c{n}@{prefix}-{number}.test") for n in range(1, customers + 1)
            ]
            orders = [order(n, n) for n in range(1, customers + 1)]
            server = serving.enter_context(
                DemoServer(store(records, orders), latency_seconds=latency_seconds)
            )
            connection = make_connection(
                database, org_id, f"{prefix}-{number}", base_url=server.url
            )
            shops.append(Shop(server, connection, customers))
        yield shops


def everywhere(database: Database, sql: str, **values: Any) -> list[Record]:
    """Rows over all organizations, as the owner sees them."""
    with database.owner() as conn:
        return [dict(row) for row in conn.execute(sql, values).fetchall()]  # type: ignore[call-overload]


def patiently(ask: Callable[[], Any]) -> Any:
    """What it answers, or None when the database is away at this moment."""
    try:
        return ask()
    except (psycopg.OperationalError, TransientError):
        return None


def status_of(database: Database, queue: Queue) -> Record:
    """Every number of one queue."""
    (found,) = everywhere(
        database,
        "SELECT * FROM sync_queue_status WHERE queue_no = %(queue_no)s",
        queue_no=queue.queue_no,
    )
    return found


def unfinished(database: Database) -> set[str]:
    """The shops whose newest queue is not over."""
    found = everywhere(
        database,
        "SELECT connection.name FROM sync_queue JOIN sync_connection AS connection"
        " USING (connection_id) WHERE stage <> 'finished'",
    )
    return {row["name"] for row in found}


def assert_exactly_once(database: Database, shops: Sequence[Shop]) -> None:
    """Each queue done, each line once in the audit, each customer once and as it was last."""
    queues = everywhere(database, _EXACT)
    ours = {queue.queue_no: shop for shop in shops for queue in shop.queues}
    checked = [queue for queue in queues if queue["queue_no"] in ours]
    assert len(checked) == len(ours)
    for queue in checked:
        customers = ours[queue["queue_no"]].customers
        assert queue == queue | {
            "state": "done",
            "total_count": customers,
            "done_count": customers,
            "is_action_required": False,
            "audited": customers,
            "lines": customers,
            "read": 1,
            "enqueued": 1,
            "finished": 1,
            "by_hand": 0,
        }
    names = {row["shop"]: row for row in everywhere(database, _NAMES)}
    for shop in shops:
        assert names[shop.name] == {
            "shop": shop.name,
            "customers": shop.customers,
            "rows": shop.customers,
            "first_names": [shop.first_name],
        }


def strike(stack: Stack, part: str, dice: random.Random) -> bool:
    """Kill -9 `run`, `daemon`, `code` or `postgres`; False when there was nothing to kill."""
    if part == "postgres":
        return stack.kill_postgres()
    if part == "run":
        return stack.kill_run(dice.choice)
    stack.kill(part)
    return True


def started(stack: Stack) -> Stack:
    """Its code server and daemon run: started now, if they were not."""
    for name in ("code", "daemon"):
        if not stack.is_started(name):
            stack.start(name)
    return stack


def recovered_seconds(stack: Stack) -> float:
    """A minute, as promised, on a machine that starts code server and daemon in the usual time."""
    return 60 * max(1, stack.start_seconds / _USUAL_START_SECONDS)


def configured_limits(stack: Stack) -> dict[str, int]:
    """The limits of dagster.yaml by tag, and max_concurrent_runs."""
    file = Path(stack.environment["DAGSTER_HOME"]) / "dagster.yaml"
    runs = yaml.safe_load(file.read_text())["concurrency"]["runs"]
    tags = {one["key"]: one["limit"] for one in runs["tag_concurrency_limits"]}
    return tags | {"max_concurrent_runs": runs["max_concurrent_runs"]}
