"""A process that asks a connection's store: `python -m … ask NAME REQUESTS SETTINGS`.

Says "ready", waits for a line, asks from four threads, and prints how each request ended.
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor

from sync_pipeline.errors import SyncError
from sync_pipeline.postgres.database import Database
from sync_pipeline.settings import DatabaseSettings
from sync_pipeline.sources.connections import find_connection
from sync_pipeline_tests.sources.throttle.asking import CUSTOMER_IDS, FIRST, opened


def main(name, n_requests, settings):
    with Database.open(DatabaseSettings()) as database:
        connection = find_connection(database, name)
        with opened(database, connection, **json.loads(settings)) as source:

            def ask(_):
                try:
                    source.read(CUSTOMER_IDS, FIRST)
                except SyncError as error:
                    return error.code
                return "ok"

            sys.stdout.write("ready\n")
            sys.stdout.flush()
            sys.stdin.readline()
            with ThreadPoolExecutor(4) as threads:
                outcomes = list(threads.map(ask, range(int(n_requests))))
                sys.stdout.write(f"{json.dumps(outcomes)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
