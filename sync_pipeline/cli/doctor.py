"""`sync-pipeline doctor`: examine a connection, with a remedy for each failing line.

Belongs here: the table. Does not: the probes (sources/woocommerce/doctor.py).
"""

from collections import Counter
from typing import Annotated

import typer

from sync_pipeline.cli import failures, output
from sync_pipeline.entities.policies import as_said
from sync_pipeline.postgres.database import Database
from sync_pipeline.settings import DatabaseSettings, SourceSettings
from sync_pipeline.sources.connections import find_connection
from sync_pipeline.sources.throttle.breaker import circuit_of
from sync_pipeline.sources.woocommerce.doctor import Finding, Outcome, examine
from sync_pipeline.sources.woocommerce.findings import circuit as circuit_finding
from sync_pipeline.stages.opening import SystemUnknownError, store_address

app = typer.Typer(add_completion=False)

_STYLES = {Outcome.OK: "green", Outcome.WARN: "yellow", Outcome.FAIL: "red", Outcome.SKIP: "dim"}


@app.command()
def doctor(
    name: Annotated[str, typer.Argument(help="The connection.")], *, as_json: output.AsJson = False
) -> None:
    """Examine a connection and say what to do; exit code 1 when a check fails."""
    with Database.open(DatabaseSettings()) as database:
        connection = find_connection(database, name)
        circuit = circuit_of(database, connection)
    if connection.system != "woocommerce":
        raise SystemUnknownError(f"There is no doctor for {connection.system} yet.")
    with store_address(connection) as (base_url, key, secret):
        findings = examine(base_url, key, secret, SourceSettings())
    findings.append(circuit_finding(circuit))
    if policies := as_said(connection.options):
        findings.append(Finding("policies", Outcome.OK, ", ".join(policies)))
    is_well = all(finding.outcome is not Outcome.FAIL for finding in findings)
    if as_json:
        output.print_json({"success": is_well, "connection": name, "findings": findings})
    else:
        _print(findings)
    if not is_well:
        raise typer.Exit(failures.FAILED)


def _print(findings: list[Finding]) -> None:
    table = output.table("check", "", "seen", "what to do")
    for finding in findings:
        style = _STYLES[finding.outcome]
        table.add_row(
            finding.check,
            f"[{style}]{finding.outcome.value}[/{style}]",
            output.said(finding.seen),
            output.said(finding.remedy),
        )
    output.show(table)
    counts = Counter(finding.outcome for finding in findings)
    words = ", ".join(f"{counts[one]} {one.value}" for one in Outcome if counts[one])
    output.show(f"\n{words}")
