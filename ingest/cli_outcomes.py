"""What a command says of products that it brought somewhere: a line for each, counts, JSON if asked, an exit code."""

import json
from collections import Counter
from collections.abc import Sequence

import typer

from ingest.outcome import STATES, Outcome


def line(outcome: Outcome) -> str:
    """What became of a product, and why."""
    reason = f": {outcome.reason}" if outcome.reason else ""
    return f"{outcome.state:10}  {outcome.product or outcome.source}{reason}"


def counted(outcomes: Sequence[Outcome]) -> str:
    """How many ended in which state; nothing of states in which none did."""
    counts = Counter(outcome.state for outcome in outcomes)
    return ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])


def report(outcomes: Sequence[Outcome], as_json: bool) -> None:
    """Say how many ended in which state; raises `typer.Exit` with code 1 unless all went well."""
    if as_json:
        typer.echo(json.dumps([outcome.as_dict() for outcome in outcomes], indent=2))
    typer.echo(counted(outcomes) or "nothing to do", err=True)
    end(outcomes)


def end(outcomes: Sequence[Outcome]) -> None:
    """Raise `typer.Exit` with code 1 unless all went well."""
    if not all(outcome.ok for outcome in outcomes):
        raise typer.Exit(1)
