"""Enqueue: make a line of every landed record whose content is new.

Belongs here: from pages to lines, batches and watermarks. Does not: reading (extract.py), applying
(upsert.py). All of it is sets: no record passes through Python.
"""

from collections.abc import Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Any

from psycopg import sql
from psycopg.errors import DeadlockDetected

from sync_pipeline import logs
from sync_pipeline.entities import Entity
from sync_pipeline.postgres.database import Database, DictConnection
from sync_pipeline.postgres.statements import statement
from sync_pipeline.postgres.statistics import analyze_queue
from sync_pipeline.queue.queues import Queue
from sync_pipeline.queue.stops import refuse_if_stopped
from sync_pipeline.stages.applying import take_over_changes, take_over_lines
from sync_pipeline.stages.aside import Made, make_aside
from sync_pipeline.stages.counting import guests_landed, money_of
from sync_pipeline.stages.coverage import Coverage, landed_name
from sync_pipeline.stages.deletions import make_deletions
from sync_pipeline.stages.enqueued import Enqueued, made_before, note_made
from sync_pipeline.stages.feeding import feed_figures, figures_and_guests
from sync_pipeline.stages.figures import Taken
from sync_pipeline.stages.hashing import (
    BELOW_ALL,
    hashed_records,
    hashed_values,
    rescan_listing,
)
from sync_pipeline.stages.holding import hold, note_of
from sync_pipeline.stages.watermarks import move_watermark

_ANALYZE_FROM_LINES = 5_000
_WORKERS = 2
_ATTEMPTS = 3


def enqueue(
    database: Database, queue: Queue, entity: Entity, *, workers: int = _WORKERS
) -> Enqueued:
    """Make the queue's lines and batches and move it on to apply.

    Shares of the pages become lines at once, each in a transaction of its own; what a stop leaves
    is completed by the next start. Done already, by this or another process: changes nothing and
    says what was made then.

    Raises:
        QueueStoppedError: an operator stopped the queue.
    """
    refuse_if_stopped(database, queue)
    with database.organization(queue.org_id) as conn:
        is_held = hold(conn, queue)
        note = note_of(conn, queue)
    if not is_held:
        return made_before(note)
    if queue.filters.applies is not None:
        made = take_over_lines(database, queue, entity)
    elif queue.filters.preview and entity.figures_listing is not None:
        made = make_aside(database, queue, entity, note)
    else:
        made = _make(database, queue, entity, note, workers)
    result = _move_on(database, queue, entity, made)
    if result.lines >= _ANALYZE_FROM_LINES:
        analyze_queue(database, queue.queue_no)
    return result


def _make(
    database: Database, queue: Queue, entity: Entity, note: Mapping[str, Any], workers: int
) -> Made:
    """Make the lines from what landed."""
    found = Coverage(**note["extract_note"]["records"])
    with database.organization(queue.org_id) as conn:
        if not hold(conn, queue):
            return Made()
        taken = figures_and_guests(conn, queue, entity, note)
        shares = page_shares(_reach(conn, queue, entity, found), workers)
    with logs.Workers(workers, thread_name_prefix="enqueue") as pool:
        feeding = pool.submit(_feed_figures, database, queue, entity, note)
        made = [pool.submit(_make_share, database, queue, entity, share, found) for share in shares]
        for share in made:
            share.result()
        fed = feeding.result()
    return Made((*taken.unreadable_ids, *fed.unreadable_ids))


def _feed_figures(
    database: Database, queue: Queue, entity: Entity, note: Mapping[str, Any]
) -> Taken:
    """Feed another entity's figures, in a transaction of its own (in a pool thread).

    Neither waits for the lines: a start that is made again takes the same orders over once more.
    """
    with database.organization(queue.org_id) as conn:
        return feed_figures(conn, queue, entity, note) if hold(conn, queue) else Taken()


def page_shares(reach: int, workers: int) -> list[tuple[int, int]]:
    """Ranges of page offsets, one per worker, that cover everything below `reach`. Pure.

    The first one also covers the negative offsets of records that were fetched by id.
    """
    step = -(-reach // workers)
    bounds = [BELOW_ALL, *range(step, reach, step), reach]
    return list(pairwise(bounds))


def _make_share(
    database: Database, queue: Queue, entity: Entity, share: tuple[int, int], found: Coverage
) -> None:
    """Make one share, again when shares met in a deadlock over a record that both hold."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            _make_lines(database, queue, entity, share, found)
        except DeadlockDetected:
            if attempt == _ATTEMPTS:
                raise
        else:
            return


def _make_lines(
    database: Database,
    queue: Queue,
    entity: Entity,
    share: tuple[int, int],
    found: Coverage,
) -> None:
    """Make the lines of one share of the pages (in a pool thread)."""
    with database.organization(queue.org_id) as conn:
        if not hold(conn, queue):
            return
        conn.execute(
            sql.SQL(statement("enqueue/lines")).format(
                differing=sql.SQL(statement("enqueue/differing")).format(
                    hashed=hashed_records(entity)
                )
            ),
            hashed_values(
                entity,
                found,
                queue_no=queue.queue_no,
                connection_id=queue.connection_id,
                salt=entity.hash_salt(queue.lifetime_value_rule),
            )
            | {
                "org_id": queue.org_id,
                "entity": entity.name,
                "from_offset": share[0],
                "to_offset": share[1],
            },
        )


def _move_on(database: Database, queue: Queue, entity: Entity, made: Made) -> Enqueued:
    """Cut the lines into batches and move the queue to apply, once."""
    with database.organization(queue.org_id) as conn:
        values = {
            "queue_no": queue.queue_no,
            "org_id": queue.org_id,
            "batch_size": queue.batch_size,
        }
        conn.execute(statement("enqueue/hold_alone"), values)
        moved = conn.execute(statement("enqueue/advance"), values).fetchone()
        note = note_of(conn, queue)
        if moved is None:
            return made_before(note)
        conn.execute(statement("enqueue/batches"), values)
        row = conn.execute(statement("enqueue/made"), values).fetchone()
        lines = int(row["n_lines"]) if row else 0
        is_doubted = note["extract_note"]["records"].get("is_doubted", False)
        deletions = 0 if is_doubted else make_deletions(conn, queue, entity)
        if queue.filters.preview:
            conn.execute(statement("enqueue/retired_batches"), values)
        elif made.preview_no is not None:
            deletions = take_over_changes(conn, queue, made.preview_no)
        guests = guests_landed(conn, queue, entity) if made.guests is None else made.guests
        scanned = int(note["extract_note"]["records"]["scanned"])
        money = money_of(conn, queue, entity) if made.money is None else made.money
        result = Enqueued(
            scanned=scanned,
            lines=lines,
            unchanged=max(scanned + guests - lines, 0),
            unreadable_orders=len(made.unreadable_ids),
            lifetime_value_all_orders=sum((row["total"] for row in money), Decimal(0)),
            lifetime_value_paid_net=sum((row["paid_net"] for row in money), Decimal(0)),
            guests=guests,
            deletions=deletions,
        )
        salt = entity.hash_salt(queue.lifetime_value_rule)
        currencies = [row["currency"] for row in money]
        note_made(conn, queue, result, currencies, list(made.unreadable_ids), salt=salt)
        if not (queue.filters.preview or queue.filters.applies):
            move_watermark(conn, queue, entity, note["extract_note"])
    return result


def _reach(conn: DictConnection, queue: Queue, entity: Entity, found: Coverage) -> int:
    values = {
        "queue_no": queue.queue_no,
        "listing": landed_name(entity.listing, found),
        "prefix": entity.children_prefix,
        "guests": entity.guests_name,
        "rescan": rescan_listing(entity, found),
    }
    row = conn.execute(statement("enqueue/reach"), values).fetchone()
    return int(row["reach"]) if row else 1
