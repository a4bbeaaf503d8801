"""Which process works on a run, and what becomes of a run whose process is gone.

Belongs here: naming a process so that nothing else answers to the name, and closing the runs of
dead ones. Does not: the queue; its leases run out by themselves and need nobody to notice.

Dagster's own launcher does not watch its workers: a killed one leaves a run that stays STARTED,
holds its slots in pools and keeps later runs of the connection waiting.
"""

import os
import socket
from pathlib import Path

import dagster as dg

from sync_pipeline.orchestration.tags import ORCHESTRATION_TAG, PROCESS_TAG, QUEUE_TAG

_UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def process_tag(run_id: str) -> str:
    """This process as the worker of that run.

    The run is named, because a run that is executed again has the tags of the first.
    """
    return f"{run_id} {_host()} {os.getpid()} {_began(os.getpid())}"


def is_dead(run: dg.DagsterRun) -> bool:
    """Whether the process that works on the run, by its tag, was of this machine and is gone.

    Not known to be dead: another machine's, a run without a tag, a tag copied from another run.
    """
    match run.tags.get(PROCESS_TAG, "").split():
        case [run_id, host, pid, began] if pid.isdecimal():
            is_own = run_id == run.run_id and host == _host()
            return is_own and _began(int(pid)) != began
        case _:
            return False


def close_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark the runs of dead processes of this machine failed, and free their slots; their ids."""
    return [
        run.run_id
        for run in instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED))
        if is_dead(run) and close_run(instance, run.run_id, "The process of this run is gone.")
    ]


def close_run(instance: dg.DagsterInstance, run_id: str, reason: str) -> bool:
    """Mark a run failed and free its slots; False when it ended by itself meanwhile."""
    # Read again: a process may end its run and then itself between our two looks.
    run = instance.get_run_by_id(run_id)
    if run is None or run.is_finished:
        return False
    goes_on = bool(run.tags.keys() & {QUEUE_TAG, ORCHESTRATION_TAG})
    what_now = "Its queue goes on in another run." if goes_on else "Start it again."
    instance.report_run_failed(run, f"{reason} {what_now}")
    storage = instance.event_log_storage
    if storage.supports_global_concurrency_limits:
        storage.free_concurrency_slots_for_run(run_id)
    return True


def _host() -> str:
    """The machine, and the space in which its process numbers count (containers have their own)."""
    try:
        space = Path("/proc/self/ns/pid").readlink().name
    except OSError:
        space = "-"
    return f"{socket.gethostname()}/{space}"


def _began(pid: int) -> str:
    """When the process with that number began, in the kernel's ticks; "gone" when there is none.

    Numbers are used again; a number and its start are not. Without /proc the number must do.
    """
    if Path("/proc/self/stat").exists():
        try:
            # The name of the program comes in parentheses and may hold anything.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return "gone"
        state, ticks = fields[0], fields[19]
        return "gone" if state in "ZX" else ticks
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return "gone"
    except PermissionError:
        return "alive"
    return "alive"
