"""What a code server says of the runs that it was asked to start.

Belongs here: asking it, and the few names of Dagster that are not public. Does not: what becomes of
a run that no server holds (in_flight.py).

Dagster's default launcher writes the server's address into a tag of the run, asks it to start the
run, and waits. The server lists a run from the instant its process exists until that is gone
(`GetCurrentRuns`, 1.13). What it lists proves little: a server that met a dead database while it
looked after its processes never looks again. What it does not list, it does not start.
"""

import json
from collections.abc import Sequence
from typing import Final

import dagster as dg
import grpc
from dagster._core.launcher import DefaultRunLauncher
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._grpc.__generated__.dagster_api_pb2 import Empty
from dagster._grpc.__generated__.dagster_api_pb2_grpc import DagsterApiStub
from dagster._grpc.types import GetCurrentRunsResult
from dagster._serdes import deserialize_value

_ANSWER_SECONDS: Final = 3.0


def unheld_runs(instance: dg.DagsterInstance, runs: Sequence[dg.DagsterRun]) -> set[str]:
    """Ids of launched runs that no code server has a process for; each server is asked once.

    A server that is gone holds nothing. Of one that does not answer in time nothing is known, nor
    of runs that another launcher starts, or that a process executes by itself.
    """
    if not isinstance(instance.run_launcher, DefaultRunLauncher):
        return set()
    named = {run.run_id: run.tags[GRPC_INFO_TAG] for run in runs if GRPC_INFO_TAG in run.tags}
    held = {server: _held_by(server) for server in set(named.values())}
    unheld = set()
    for run in runs:
        if (server := named.get(run.run_id)) is not None:
            ids = held[server]
            is_unheld = ids is not None and run.run_id not in ids
        else:
            # Whoever was to ask a server died before.
            is_unheld = run.status is dg.DagsterRunStatus.STARTING
        if is_unheld:
            unheld.add(run.run_id)
    return unheld


def _held_by(named: str) -> frozenset[str] | None:
    """Ids of the runs that a server has processes for; None when it does not say."""
    info = json.loads(named)
    address = f"{info['host']}:{info['port']}" if "port" in info else f"unix:{info['socket']}"
    channel = (
        grpc.secure_channel(address, grpc.ssl_channel_credentials())
        if info.get("use_ssl")
        else grpc.insecure_channel(address)
    )
    with channel:
        try:
            server = DagsterApiStub(channel)  # type: ignore[no-untyped-call]
            reply = server.GetCurrentRuns(Empty(), timeout=_ANSWER_SECONDS)
        except grpc.RpcError as error:
            return frozenset() if error.code() is grpc.StatusCode.UNAVAILABLE else None
    result = deserialize_value(reply.serialized_current_runs, GetCurrentRunsResult)
    return frozenset(result.current_runs)
