"""What two settings cost: the isolation of a batch, and its size. For decisions; no targets.

Belongs here: the same work under different QueueSettings. Does not: comparisons with others.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from unittest.mock import patch

from benchmarks.landing import land_pages
from benchmarks.measure import Figure, Rounds, Subject
from benchmarks.throwaway import Server, open_bench
from benchmarks.upsert import run_ours
from sync_pipeline.queue import completion
from sync_pipeline.settings import QueueSettings


def run_isolation(server: Server, *, lines: int, rounds: int) -> Subject:
    """SERIALIZABLE batches beside READ COMMITTED ones."""
    variants = {
        "read committed": QueueSettings(isolation="read committed"),
        "serializable": QueueSettings(isolation="serializable"),
    }
    return _run(server, f"Isolation of a batch, {lines:,} lines", variants, lines, rounds)


def run_batch_size(server: Server, *, lines: int, rounds: int) -> Subject:
    """Batches of 50 lines, as the old service had them, beside ours."""
    variants = {
        "500 lines a batch": QueueSettings(batch_size=500),
        "50 lines a batch": QueueSettings(batch_size=50),
    }
    return _run(server, f"Size of a batch, {lines:,} lines", variants, lines, rounds)


def _run(
    server: Server, title: str, variants: Mapping[str, QueueSettings], lines: int, rounds: int
) -> Subject:
    """The first variant is what the others are held against."""
    measured = {name: Rounds() for name in variants}
    retries = dict.fromkeys(variants, 0)
    with open_bench(server) as bench:
        land_pages(bench, lines)
        for _ in range(rounds):
            for name, settings in variants.items():
                with counted_completions() as calls:
                    run_ours(bench, lines, settings, measured[name])
                retries[name] += len(calls) - -(-lines // settings.batch_size)
    first, *others = variants
    figures = [
        Figure(
            f"{name}: upsert beside {first}",
            measured[name].wall("upsert") / measured[first].wall("upsert"),
            "x",
        )
        for name in others
    ]
    for name, one in measured.items():
        cpu_seconds = one.cpu("upsert")
        note = f"{retries[name]} batches tried again in {rounds} rounds"
        if cpu_seconds is not None:
            note += f"; backend CPU {cpu_seconds / lines * 1e6:.1f} µs/line"
        figures.append(Figure(name, lines / one.wall("upsert"), "lines/s", note=note))
    return Subject(title, figures, ["The upsert stage alone."])


@contextmanager
def counted_completions() -> Iterator[list[int]]:
    """A list that grows by one with every attempt to complete a batch."""
    calls: list[int] = []
    complete = completion.complete

    def counting(*args: object, **kwargs: object) -> object:
        calls.append(1)
        return complete(*args, **kwargs)  # type: ignore[arg-type]

    with patch.object(completion, "complete", counting):
        yield calls
