"""The four stages of one sync in a process of its own, to be killed: no Dagster, quick to start.

    DATABASE_URL=… python -m sync_pipeline_tests.chaos.drive_sync KEY [--stop-at N] …
    DATABASE_URL=… python -m sync_pipeline_tests.chaos.drive_sync QUEUE --revert   takes that back
    DATABASE_URL=… python -m sync_pipeline_tests.chaos.drive_sync shop --resolve   takes the store's
                                                              values in every dispute of that shop

Prints `started` when the work begins and, at the end, one JSON object: state, refused
(completions that came too late), peak_mb. Belongs here: nothing that a test asserts.
"""

import argparse
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

from sync_pipeline.demo.auth import DEMO_KEY, DEMO_SECRET
from sync_pipeline.entities import ENTITIES, entity_of
from sync_pipeline.postgres import database as database_module
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue import completion
from sync_pipeline.queue.conflicts.choosing import Chosen
from sync_pipeline.queue.conflicts.deciding import Decision
from sync_pipeline.queue.conflicts.resolving import resolve
from sync_pipeline.queue.opening import open_queue
from sync_pipeline.queue.queues import begin, find_queue, queue_status
from sync_pipeline.queue.reverting import revert
from sync_pipeline.settings import DatabaseSettings
from sync_pipeline.sources.connections import find_connection
from sync_pipeline.sources.woocommerce.client import WooCommerceClient
from sync_pipeline.sources.woocommerce.source import WooCommerceSource
from sync_pipeline.stages.enqueue import enqueue
from sync_pipeline.stages.extract import extract
from sync_pipeline.stages.reconcile import reconcile
from sync_pipeline.stages.upsert import upsert
from sync_pipeline_tests.factories import queue_settings, quick_source_settings

KILOBYTES = 1024


class Completions:
    """Counts completions and refusals; stops its own process before the one that is asked for."""

    def __init__(self, stop_at):
        self.refused = 0
        self._begun = 0
        self._stop_at = stop_at
        self._lock = threading.Lock()
        self._complete = completion.complete

    def __call__(self, *args, **kwargs):
        with self._lock:
            self._begun += 1
            begun = self._begun
        if begun == self._stop_at:
            os.kill(os.getpid(), signal.SIGSTOP)
            time.sleep(0.2)  # this thread runs on until the kernel has stopped all of them
        try:
            return self._complete(*args, **kwargs)
        except completion.LeaseLostError:
            self.refused += 1
            raise


def drive(arguments):
    """Run or resume the sync of that key; the numbers at its end."""
    completions = Completions(arguments.stop_at)
    completion.complete = completions
    # Who is stopped here is to be refused by the fence when it wakes, not cut before.
    database_module._IDLE_SECONDS = 600
    settings = queue_settings(
        batch_size=arguments.batch_size,
        lease_seconds=arguments.lease_seconds,
        workers=arguments.workers,
    )
    source_settings = quick_source_settings()
    entity = entity_of("woocommerce", arguments.entity)
    with Database.open(DatabaseSettings()) as database:
        shop = find_connection(database, "shop")
        say("started")
        if arguments.resolve:
            return resolve_all(database, Chosen(connection=arguments.key), settings)
        if arguments.revert:
            reverted = find_queue(database, arguments.key)
            queue = revert(database, reverted, by="tester", settings=settings).queue
            begin(database, queue, run_id=None)
        else:
            queue, _ = open_queue(
                database, shop, entity.name, settings=settings, idempotency_key=arguments.key
            )
            begin(database, queue, run_id=None)
            client = WooCommerceClient(shop.base_url, DEMO_KEY, DEMO_SECRET, source_settings)
            source = WooCommerceSource(client)
            extract(database, queue, shop, entity, source, source_settings)
            source.close()
            enqueue(database, queue, entity)
        upsert(database, queue, entity, settings)
        reconcile(database, queue, entity)
        with database.organization(queue.org_id) as conn:
            state = queue_status(conn, queue.queue_no)["state"]
    return {
        "state": state,
        "refused": completions.refused,
        "peak_mb": peak_mb(),
    }


def resolve_all(database, chosen, settings):
    """Decide, and work the queues that apply it, new ones and those of a process before."""
    resolving = resolve(database, chosen, Decision("source"), by="tester", settings=settings)
    queues = [find_queue(database, str(queue_id)) for queue_id in resolving.queue_ids]
    for queue in queues:
        begin(database, queue, run_id=None)
        entity = entity_of("woocommerce", queue.entity)
        upsert(database, queue, entity, settings)
        reconcile(database, queue, entity)
    return {"queues": len(queues)}


def peak_mb():
    """Of this program; what getrusage says begins with the peak of who started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / KILOBYTES


def say(line):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("key")
    parser.add_argument("--entity", choices=[one.name for one in ENTITIES], default="customers")
    parser.add_argument("--revert", action="store_true")
    parser.add_argument("--resolve", action="store_true")
    parser.add_argument("--batch-size", type=int, default=10)
    parser.add_argument("--lease-seconds", type=float, default=0.3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--stop-at", type=int, default=0)
    say(json.dumps(drive(parser.parse_args())))


if __name__ == "__main__":
    main()
