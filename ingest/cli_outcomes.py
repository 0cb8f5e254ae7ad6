"""How a command ends that brought products somewhere: counted, in JSON if asked, with an exit code."""

import json
from collections import Counter
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.outcome import Outcome


def report(outcomes: "Sequence[Outcome]", as_json: bool) -> None:
    """Say how many ended in which state; raises `typer.Exit` with code 1 unless all went well."""
    if as_json:
        typer.echo(json.dumps([outcome.as_dict() for outcome in outcomes], indent=2))
    counts = Counter(outcome.state for outcome in outcomes)
    typer.echo(", ".join(f"{count} {state}" for state, count in counts.items()) or "nothing to do", err=True)
    if any(not outcome.ok for outcome in outcomes):
        raise typer.Exit(1)
