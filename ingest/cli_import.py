"""`sen2extract import-sen2chain`: a predecessor's archive into the catalogue."""

import json
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ingest.cli_outcomes import counted, end, line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ingest.outcome import Outcome
    from ingest.sen2chain_import import Plan

_JOBS = os.cpu_count() or 1


def import_sen2chain(
    folder: Annotated[Path, typer.Argument(help="The archive: its home, its data folder, or a part of it.")],
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Products worked on at a time.")] = _JOBS,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what becomes of each file, and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Import a Sen2Chain archive: its scenes, and its indices and cloud masks; nothing is written in it.

    Run it again at any time: what is held already is left alone, so that an interrupted import goes on.
    """
    from ingest.sen2chain_import import plan_import

    plan = plan_import(folder)
    outcomes = [] if dry_run else list(_outcomes(plan, jobs))
    if as_json:
        typer.echo(json.dumps(plan.as_dict() | {"outcomes": [outcome.as_dict() for outcome in outcomes]}, indent=2))
    else:
        typer.echo("\n".join(_report(plan, folder.absolute())))
    done = f": {counted(outcomes)}" if outcomes else ""
    found = f"{len(plan.scenes)} scenes, {len(plan.indices)} index products, {len(plan.skipped)} files skipped"
    typer.echo(found + done, err=True)
    end(outcomes)


def _outcomes(plan: "Plan", jobs: int) -> "Iterator[Outcome]":
    from ingest.pipeline import ingest_product
    from stac.settings import Settings

    work = partial(ingest_product, settings=Settings())
    with ProcessPoolExecutor(jobs) as pool:
        # Scenes first: what is made from them is better than what is imported.
        for group in (plan.scenes, plan.indices):
            for outcome in pool.map(work, group):
                typer.echo(line(outcome), err=True)
                yield outcome


def _report(plan: "Plan", root: Path) -> "Sequence[str]":
    places = [verdict.path.relative_to(root, walk_up=True) for verdict in plan.verdicts]
    return [
        f"{'skip' if verdict.product is None else 'take'}  {place}: {verdict.reason}"
        for place, verdict in zip(places, plan.verdicts, strict=True)
    ]
