"""Verifying: how long it takes to prove both sides again, beside a plain count over the same rows.

    python -m benchmarks.proof DATABASE_URL

verifies in a process of its own and prints how long that took and the most memory it used.

Belongs here: the subject, and that process. Does not: what is compared (stages/verification.py).
"""

import json
import sys
import time
from collections.abc import Sequence

from benchmarks.apart import run_apart
from benchmarks.landing import fresh_queue, land_pages
from benchmarks.measure import Figure, Rounds, Subject, Target, timed
from benchmarks.one_sync import peak_bytes
from benchmarks.throwaway import Bench, Server, open_bench, settings_for
from benchmarks.upsert import WrongResultError
from sync_pipeline.entities.woocommerce_customers import CUSTOMERS
from sync_pipeline.postgres.database import Database
from sync_pipeline.settings import QueueSettings
from sync_pipeline.sources.connections import find_connection
from sync_pipeline.stages.enqueue import enqueue
from sync_pipeline.stages.reconcile import reconcile
from sync_pipeline.stages.upsert import upsert
from sync_pipeline.stages.verification import Proof, verify

_EDITED = 100
_COUNT = "SELECT count(*) FROM sync_record AS r JOIN customer AS t ON t.id = r.local_id"
_EDIT = """
    UPDATE customer SET company = 'Mine' WHERE id IN (
        SELECT local_id FROM sync_record ORDER BY external_id LIMIT %s)
"""


def run(server: Server, *, sizes: Sequence[int], rounds: int) -> Subject:
    """Verify customers that were synced, some of whom were edited by hand, at every size."""
    figures: list[Figure] = []
    for records in sizes:
        figures += _figures(server, records, rounds)
    return Subject(
        f"Both sides proven again, {_EDITED} rows edited by hand",
        figures,
        [
            "Verify: what landed hashed anew, both sides joined by id and digested, every row held "
            "beside what was applied; in a process of its own.",
            "Count: one hash join of the same records with the same rows, nothing compared.",
            "Certificate: with the comparison of ids, at the end of the sync.",
        ],
    )


def _figures(server: Server, records: int, rounds: int) -> list[Figure]:
    measured = Rounds()
    with open_bench(server) as bench:
        _sync(bench, records, measured)
        bench.connection.execute(_EDIT, [_EDITED])
        bench.connection.execute("VACUUM ANALYZE customer, sync_record")
        said = []
        for _ in range(rounds):
            bench.settle()
            with timed(measured, "count", bench.cpu):
                bench.connection.execute(_COUNT)
            with timed(measured, "verify", bench.cpu):
                said.append(_verify_apart(bench, records))
    peak = max(one["peak_mb"] for one in said)
    seconds = min(one["seconds"] for one in said)
    name = f"{records:,} customers"
    applied = measured.wall("enqueue") + measured.wall("upsert")
    return [
        Figure(f"{name} verified", seconds, "s", note=_rate(records, seconds)),
        Figure(f"{name}, peak memory", peak, "MB", Target("≤", 400)),
        Figure(
            f"{name}, beside a plain count",
            measured.ratio(["verify"], ["count"]),
            "x",
            note=f"{measured.wall('verify'):.2f} s with its start / {measured.wall('count'):.2f} s",
        ),
        Figure(
            f"{name}, certificate beside enqueue and upsert",
            measured.wall("reconcile") / applied,
            "x",
            note=f"{measured.wall('reconcile'):.1f} s / {applied:.1f} s, without reading",
        ),
    ]


def _sync(bench: Bench, records: int, measured: Rounds) -> None:
    land_pages(bench, records)
    settings = QueueSettings()
    queue = fresh_queue(bench, records, settings)
    with timed(measured, "enqueue", bench.cpu):
        enqueue(bench.database, queue, CUSTOMERS)
    with timed(measured, "upsert", bench.cpu):
        upsert(bench.database, queue, CUSTOMERS, settings)
    bench.settle()
    with timed(measured, "reconcile", bench.cpu):
        verdict = reconcile(bench.database, queue, CUSTOMERS)
    if not verdict.agree:
        raise WrongResultError(verdict.in_words)


def _verify_apart(bench: Bench, records: int) -> dict[str, float]:
    said = run_apart("benchmarks.proof", bench.url)
    if (said["records"], said["drifted"]) != (records, min(_EDITED, records)):
        raise WrongResultError(f"{records} records expected, {_EDITED} edited: {said}")
    return said


def _rate(records: int, seconds: float) -> str:
    return f"{records / seconds:,.0f} records a second"


def _proof(url: str) -> Proof:
    with Database.open(settings_for(url)) as database:
        return verify(database, find_connection(database, "bench"), CUSTOMERS)


def main() -> int:
    """The process of its own."""
    started = time.monotonic()
    proof = _proof(sys.argv[1])
    said = {
        "records": proof.theirs_count,
        "drifted": proof.counts.get("drift", 0),
        "seconds": time.monotonic() - started,
        "peak_mb": peak_bytes() / 1e6,
    }
    print(json.dumps(said))
    return 0


if __name__ == "__main__":
    sys.exit(main())
