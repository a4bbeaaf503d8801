"""How a proof looks: what was compared, and where both sides differ.

Belongs here: layout and words. Does not: comparing (stages/verification.py), files (verify.py).
"""

from collections.abc import Mapping
from typing import Any, Final

from rich.table import Table

from sync_pipeline.cli import output
from sync_pipeline.cli.output import moment, number, said, show
from sync_pipeline.stages.certificate import reason_in_words
from sync_pipeline.stages.proof import Difference
from sync_pipeline.stages.verification import Proof

_SHOWN: Final = 20
_KINDS: Final = {
    "missing": "missing here",
    "extra": "here, not in the store",
    "changed": "here with other content",
    "lost": "deleted here by hand",
    "drift": "changed here by hand",
}


def show_proof(proof: Proof) -> None:
    """Print one proof: a headline, what it rests on, and the first differences."""
    words = {
        True: "[green]both sides agree[/green]",
        False: "[yellow]both sides differ[/yellow]",
        None: "[yellow]the store's side is not known[/yellow]",
    }[proof.agree]
    show(f"[bold]{proof.connection} {proof.entity}[/bold]: {words}")
    show(output.facts(_facts(proof)))
    if proof.first_ones:
        shown = proof.first_ones[:_SHOWN]
        show()
        show(_table(shown))
        if (rest := _rest(proof, shown)) > 0:
            show(f"[dim]… and {number(rest)} more records: --csv FILE lists all of them[/dim]")
    show()


def certificate_line(certificate: Mapping[str, Any]) -> str:
    """A certificate in one sentence, in the colour of what it says."""
    is_bad = certificate["holds"] is False
    style = {True: "green", False: "yellow", None: "dim"}[certificate["holds"]]
    if is_bad and not certificate["is_explained"]:
        style = "red"
    return f"[{style}]The certificate {said(certificate['verdict'])}.[/{style}]"


def _facts(proof: Proof) -> list[tuple[str, str]]:
    rows = []
    if proof.reading_id is None:
        rows.append(("store", f"no whole reading is kept; {_how_to_read(proof)}"))
    else:
        rows += [
            ("store", f"{number(proof.theirs_count)} records, digest {proof.theirs_digest}"),
            ("here", f"{number(proof.ours_count)} records, digest {proof.ours_digest}"),
            ("as read", f"{moment(proof.read_at)} UTC, queue {proof.reading_id}"),
        ]
    for kind, words in _KINDS.items():
        if count := proof.counts.get(kind):
            rows.append((words, number(count)))
    if known := _reasons(proof.reasons):
        rows.append(("of which", known))
    if beside := _reasons(proof.set_aside):
        rows.append(("not compared", beside))
    if proof.is_mapping_changed:
        rows.append(("mapping", f"it has changed since; apply it: {_command('replay', proof)}"))
    return rows


def _reasons(counts: Mapping[str, int]) -> str:
    return ", ".join(
        f"{number(count)} {reason_in_words(reason)}" for reason, count in sorted(counts.items())
    )


def _how_to_read(proof: Proof) -> str:
    return f"{_command('sync', proof)} --full reads it"


def _command(verb: str, proof: Proof) -> str:
    return f"sync-pipeline {verb} {proof.connection} --entity {proof.entity}"


def _table(differences: tuple[Difference, ...]) -> Table:
    table = output.table(">id", "", "field", "as applied", "now", "why")
    for one in differences:
        is_field = one.field is not None
        table.add_row(
            said(one.external_id),
            _KINDS[one.kind],
            said(one.field or ""),
            said(one.theirs) if is_field else "",
            said(one.ours) if is_field else "",
            reason_in_words(one.reason) if one.reason else "",
        )
    return table


def _rest(proof: Proof, shown: tuple[Difference, ...]) -> int:
    return sum(proof.counts.values()) - len({(one.kind, one.external_id) for one in shown})
