"""`python -m benchmarks [SUBJECT …]`: measure, print, and say which targets are met.

Belongs here: arguments, and which subject runs with which sizes. Does not: measuring.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from benchmarks import (
    calls,
    deciding,
    flatness,
    memory,
    old_design,
    orders,
    previewing,
    progress,
    proof,
    purge,
    tuning,
    undo,
    upsert,
    whole_sync,
)
from benchmarks.measure import Subject
from benchmarks.report import show, show_verdict, write_json
from benchmarks.throwaway import Server, open_server
from sync_pipeline.entities.woocommerce_orders import ORDERS

_LEAST_WIDTH = 120  # a terminal that is told nothing claims 80 columns


@dataclass(frozen=True)
class Sizes:
    """How much of everything is measured.

    Attributes:
        lines: of the comparisons; rounds: of everything that is measured in turns, but for
            sync_rounds: of whole syncs, which wait for a slow store.
        tuning_lines: of the settings that are held against each other.
        old_lines: of the old design, whose time grows with the square.
        flat_lines: the sizes that must have one rate.
        order_sizes: of orders with their lines, in order_rounds; they must have one rate.
        memory_customers, memory_orders: a small and a large sync.
        progress_lines: of a queue that somebody watches; its lines themselves are not made.
    """

    lines: int
    rounds: int
    sync_rounds: int
    tuning_lines: int
    old_lines: int
    flat_lines: tuple[int, ...]
    order_sizes: tuple[int, ...]
    order_rounds: int
    memory_customers: tuple[int, int]
    memory_orders: tuple[int, int]
    progress_lines: int = 1_000_000


QUICK = Sizes(
    lines=10_000,
    rounds=2,
    sync_rounds=1,
    tuning_lines=5_000,
    old_lines=1_000,
    flat_lines=(5_000, 20_000),
    order_sizes=(2_000, 6_000),
    order_rounds=2,
    memory_customers=(1_000, 5_000),
    memory_orders=(1_000, 5_000),
)
DEFAULT = Sizes(
    lines=50_000,
    rounds=3,
    sync_rounds=3,
    tuning_lines=10_000,
    old_lines=old_design.TARGET_LINES,
    flat_lines=(10_000, 100_000),
    order_sizes=(10_000, 50_000),
    order_rounds=2,
    memory_customers=(10_000, 100_000),
    memory_orders=(5_000, 25_000),
)
FULL = replace(
    DEFAULT,
    lines=100_000,
    flat_lines=(10_000, 100_000, 1_000_000),
    order_sizes=(10_000, 100_000, 1_000_000),
    order_rounds=1,
    memory_orders=(10_000, 1_000_000),
)

Run = Callable[[Server, Sizes], Subject]
SUBJECTS: dict[str, Run] = {
    "upsert": lambda server, sizes: upsert.run(server, lines=sizes.lines, rounds=sizes.rounds),
    "old": lambda server, sizes: old_design.run(server, lines=sizes.old_lines, rounds=sizes.rounds),
    "flat": lambda server, sizes: flatness.run(server, sizes=sizes.flat_lines, rounds=sizes.rounds),
    "orders": lambda server, sizes: orders.run(server, sizes=sizes.flat_lines, rounds=sizes.rounds),
    "sync": lambda server, sizes: whole_sync.run(server, rounds=sizes.sync_rounds),
    "calls": lambda server, _: calls.run(server),
    "memory": lambda server, sizes: memory.run(
        server, small=sizes.memory_customers[0], large=sizes.memory_customers[1]
    ),
    "orders-memory": lambda server, sizes: memory.run(
        server, small=sizes.memory_orders[0], large=sizes.memory_orders[1], entity=ORDERS
    ),
    "progress": lambda server, sizes: progress.run(server, lines=sizes.progress_lines),
    "preview": lambda server, sizes: previewing.run(server, records=max(sizes.flat_lines)),
    "undo": lambda server, sizes: undo.run(server, records=max(sizes.flat_lines)),
    "deciding": lambda server, sizes: deciding.run(server, records=max(sizes.flat_lines)),
    "proof": lambda server, sizes: proof.run(
        server, sizes=(sizes.flat_lines[0], sizes.flat_lines[-1]), rounds=1
    ),
    "purge": lambda server, sizes: purge.run(server, lines=max(sizes.flat_lines), rounds=1),
    "isolation": lambda server, sizes: tuning.run_isolation(
        server, lines=sizes.tuning_lines, rounds=sizes.rounds
    ),
    "batch": lambda server, sizes: tuning.run_batch_size(
        server, lines=sizes.tuning_lines, rounds=sizes.rounds
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the subjects; the exit code is 1 when a target is missed and --strict was given."""
    chosen = _parser().parse_args(arguments)
    sizes = _sizes(chosen)
    console = Console()
    console.width = max(console.width, _LEAST_WIDTH)
    subjects = []
    started = time.monotonic()
    with open_server() as server:
        settings = server.settings()
        console.print("PostgreSQL: " + ", ".join(f"{k} {v}" for k, v in settings.items()))
        console.print()
        for name in chosen.subjects or SUBJECTS:
            subject = SUBJECTS[name](server, sizes)
            show(console, subject)
            subjects.append(subject)
    if chosen.json:
        write_json(chosen.json, settings, subjects)
    missed = show_verdict(console, subjects, time.monotonic() - started)
    return 1 if missed and chosen.strict else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "subjects", nargs="*", choices=[*SUBJECTS, []], metavar="SUBJECT", help=", ".join(SUBJECTS)
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="small sizes, under a minute")
    size.add_argument("--full", action="store_true", help="up to 1,000,000 lines")
    parser.add_argument("--lines", type=int, help="lines of the comparisons")
    parser.add_argument("--rounds", type=int, help="rounds, in turns")
    parser.add_argument("--json", type=Path, help="write everything to this file too")
    parser.add_argument("--strict", action="store_true", help="exit 1 when a target is missed")
    return parser


def _sizes(chosen: argparse.Namespace) -> Sizes:
    sizes = QUICK if chosen.quick else FULL if chosen.full else DEFAULT
    given = {name: getattr(chosen, name) for name in ("lines", "rounds")}
    return replace(sizes, **{name: value for name, value in given.items() if value})


if __name__ == "__main__":
    sys.exit(main())
