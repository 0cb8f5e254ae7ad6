"""`sen2extract retention`, `tidy`, `sen2cor`, `gaps`: what keeps the archive in order and complete."""

import json
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ingest.cli_outcomes import line, report

if TYPE_CHECKING:
    from ingest.l1c_to_l2a import Waiting
    from ingest.sen2cor import Sen2Cor

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Provider = Annotated[
    Literal["cdse", "earth-search"] | None,
    typer.Option(help="Where to look. Default: the provider of the tile's watched areas, else cdse."),
]


def retention(
    tile: Annotated[str | None, typer.Option(help="Only this tile, such as 48PWU.")] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed, and stop.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove the products that the rules of watched areas, or INGEST_RETENTION, let go. See first with --dry-run.

    A line per product: what became of it, and why. The only copy of an acquisition stays unless a rule says
    `only_copy`. Exit 1 if somebody was at a product that is to go.
    """
    from ingest.retention import retain
    from stac.errors import NameFormatError
    from stac.settings import Settings

    try:
        found = []
        for one in retain(Settings(), tile=tile, dry_run=dry_run):
            found.append(one)
            if not as_json:
                typer.echo(f"{one.state}\t{one.product}\t{one.reason}")
    except NameFormatError as error:
        raise typer.BadParameter(str(error)) from error
    if as_json:
        typer.echo(json.dumps([one.as_dict() for one in found], indent=2))
    counts = Counter(one.state for one in found)
    typer.echo(", ".join(f"{count} {state}" for state, count in counts.items()) or "no rule concerns any", err=True)
    if counts["busy"]:
        raise typer.Exit(1)


def tidy(*, as_json: AsJson = False) -> None:
    """Remove downloads that are published from the inbox, and what broken-off work left there.

    What somebody else put into the inbox stays. With INGEST_KEEP_DOWNLOADS so do the downloads.
    """
    from ingest import inbox
    from stac.settings import Settings

    done = inbox.tidy(Settings())
    if as_json:
        typer.echo(json.dumps(done, indent=2))
    else:
        for kind, names in done.items():
            for name in names:
                typer.echo(f"{kind}\t{name}")
    typer.echo(f"{len(done['products'])} products removed, {len(done['left'])} left by broken-off work", err=True)


def sen2cor(
    names: Annotated[list[str] | None, typer.Argument(help="L1C products. Default: all that have no L2A.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Most products of this run. Default: all.")] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be made, and by what.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make L2A products of L1C products with Sen2Cor, into the inbox. Then: `sen2extract ingest`.

    Takes what lies in the inbox, or where a held product came from, and has no L2A. One at which Sen2Cor failed three
    times is taken only by name. Exit 1 if one could not be made.
    """
    from ingest import l1c_to_l2a
    from ingest import sen2cor as tool
    from stac.settings import Settings

    settings = Settings()
    found = tool.installed(settings)
    wanted = [l1c_to_l2a.find(settings, name) for name in names or ()] or l1c_to_l2a.waiting(settings)[:limit]
    if dry_run:
        _say_tools(wanted, found, as_json)
        return
    outcomes = []
    for one in wanted:
        outcome = l1c_to_l2a.correct(settings, one, found)
        typer.echo(line(outcome), err=True)
        outcomes.append(outcome)
    report(outcomes, as_json)


def gaps(
    tile: Annotated[str | None, typer.Option(help="Only this tile, such as 48PWU.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="How many tiles. Default: all.")] = None,
    provider: Provider = None,
    *,
    fill: Annotated[bool, typer.Option("--fill", help="Queue what a provider offers of the gaps.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --fill: only say what would be.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say what the archive lacks, tile by tile, with the command that would bring it.

    With --fill: ask the provider for exactly these days and tiles, within the limits of the areas that watch them, and
    put what it offers into the queue, which `sen2extract download --queued` or the DAG download_products fetches.
    """
    from ingest.cli_status import all_gaps, tell_gaps
    from stac.settings import Settings

    if (dry_run or provider) and not fill:
        raise typer.BadParameter("--dry-run and --provider go with --fill")
    settings = Settings()
    found = list(all_gaps(settings, tile, limit))
    if not fill:
        tell_gaps(found, as_json)
        return
    from ingest import gap_filling, watched
    from ingest.cli_sources import list_choices

    wanted = gap_filling.searches(found, watched.approved(settings), provider)
    list_choices(gap_filling.fill(settings, wanted, dry_run=dry_run), as_json)


def _say_tools(wanted: "list[Waiting]", found: "list[Sen2Cor]", as_json: bool) -> None:
    """Each product with the version that would be used, or why there is none."""
    from ingest import sen2cor as tool
    from stac.naming import ProductName

    told = {}
    for one in wanted:
        try:
            told[one.name] = f"Sen2Cor {tool.choose(found, ProductName.parse(one.name).baseline)}"
        except tool.Sen2CorError as error:
            told[one.name] = str(error)
    typer.echo(json.dumps(told, indent=2) if as_json else "\n".join(f"{name}\t{by}" for name, by in told.items()))
