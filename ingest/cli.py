"""The `sen2extract` command. Data goes to stdout, messages to stderr; exit 0 ok, 1 something failed, 2 usage."""

import json
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ingest.cli_areas import areas
from ingest.cli_care import gaps, retention, sen2cor, tidy
from ingest.cli_export import export_geoparquet
from ingest.cli_import import import_sen2chain
from ingest.cli_outcomes import line, report
from ingest.cli_pack import pack
from ingest.cli_sources import discover, download
from ingest.cli_status import status
from ingest.errors import IngestError
from stac.errors import StacError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from ingest.outcome import Outcome
    from ingest.pipeline import Again

_CORES = os.cpu_count() or 1
Source = Literal["auto", "safe", "earth-search"]
RetriedState = Literal["seen", "downloaded", "converting", "failed", "invalid", "removed"]

app = typer.Typer(
    help="Sentinel-2 products in; catalogue, maps and time series out.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_show_locals=False,
)

app.command("import-sen2chain")(import_sen2chain)
app.command("export-geoparquet")(export_geoparquet)
app.command("status")(status)
app.command("pack")(pack)
app.command()(retention)
app.command()(tidy)
app.command()(sen2cor)
app.command()(gaps)
app.command()(discover)
app.command()(download)
app.add_typer(areas, name="areas")
for _found in entry_points(group="sen2extract.commands"):
    # Ingestion does not know who else has commands, only how they say so.
    _found.load()(app)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Products worked on at a time.")]


def main() -> None:
    """Run the command; what is wrong with the world is one line on stderr and exit 1, never a traceback."""
    try:
        app()
    except (IngestError, StacError, OSError) as error:
        typer.echo(f"sen2extract: {error}", err=True)
        raise SystemExit(1) from error
    except ValueError as error:
        if type(error).__name__ != "ValidationError":
            raise
        typer.echo(f"sen2extract: the environment is not right: {error}", err=True)
        raise SystemExit(2) from error


@app.command()
def migrate(*, as_json: AsJson = False) -> None:
    """Make database and bucket ready: pgSTAC, our collections, the bucket. Safe to run at any time."""
    from ingest.store import Store
    from stac import catalog
    from stac.settings import Settings

    settings = Settings()
    Store.connect(settings).make_bucket()
    catalog.migrate(settings)
    _say(as_json, {"ok": True}, "database and bucket are ready")


@app.command()
def ingest(
    paths: Annotated[list[str], typer.Argument(help="Products, or folders of them.")],
    source: Annotated[Source, typer.Option(help="Format; auto: the content decides.")] = "auto",
    assets: Annotated[str | None, typer.Option(help="Images to read, such as B04,B08,SCL. Default: all.")] = None,
    jobs: Jobs = _CORES,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be ingested, and stop.")] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Look again at products that were found invalid.")] = False,
    as_json: AsJson = False,
) -> None:
    """Ingest products: COGs into the bucket, items into the catalogue, index products beside them."""
    from ingest.discover import find_products

    wanted = _names(assets)
    found = find_products(paths)
    if not found:
        typer.echo(f"no Sentinel-2 product found in {', '.join(paths)}", err=True)
        raise typer.Exit(1)
    if dry_run:
        _say(as_json, {"products": found}, "\n".join(found))
        return
    outcomes = list(_ingest_all(found, jobs, source=source, assets=wanted, again="invalid" if retry else "changed"))
    report(outcomes, as_json)


@app.command()
def retry(
    ids: Annotated[list[str] | None, typer.Argument(help="Ids of products, published ones included.")] = None,
    state: Annotated[RetriedState | None, typer.Option(help="All products in this state.")] = None,
    jobs: Jobs = _CORES,
    *,
    as_json: AsJson = False,
) -> None:
    """Ingest products again from where they came: those named, in any case, or all that failed or were invalid."""
    from ingest import ledger
    from stac.settings import Settings

    if bool(ids) == bool(state):
        raise typer.BadParameter("name either products or a --state")
    settings = Settings()
    found = ledger.sources(settings, ids) if ids else ledger.sources_in_state(settings, str(state))
    unknown = [name for name in ids or () if name not in found]
    if unknown:
        raise IngestError(
            f"the ledger does not know {', '.join(unknown)}, or its files are not here: see `sen2extract status`; "
            "to fetch one once more: sen2extract download --tile TILE --from DAY --to DAY --again"
        )
    again: Again = "always" if ids or state == "removed" else "invalid"
    report(list(_ingest_all(list(found.values()), jobs, again=again)) if found else [], as_json)


@app.command()
def derive(
    limit: Annotated[int | None, typer.Option(min=1, help="Most scenes of this run. Default: all.")] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be made, and stop.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make the indices and masks that are missing, from the scenes that the catalogue holds."""
    from ingest.derivation import derive_product, underived
    from stac.settings import Settings

    settings = Settings()
    wanted = underived(settings, limit=limit)
    if dry_run:
        _say(as_json, {"products": wanted}, "\n".join(wanted))
        return
    outcomes = []
    for item_id in wanted:
        outcome = derive_product(item_id, settings=settings)
        typer.echo(line(outcome), err=True)
        outcomes.append(outcome)
    report(outcomes, as_json)


@app.command()
def reconcile(
    *,
    fix: Annotated[bool, typer.Option("--fix", help="Repair what can be repaired.")] = False,
    older_than: Annotated[
        float, typer.Option(min=0, help="With --fix: hours after which an object that no item names is removed.")
    ] = 24.0,
    as_json: AsJson = False,
) -> None:
    """Compare bucket and catalogue. Exit 1 if an item names an object that is missing.

    With --fix: removes objects that no item names, makes missing index products, fills the block index, and aligns the
    ledger. A missing object it cannot bring back: `sen2extract retry` its product.
    """
    from datetime import timedelta

    from ingest import reconcile as care
    from stac.settings import Settings

    settings = Settings()
    repaired = care.fix(settings, older_than=timedelta(hours=older_than)).as_dict() if fix else {}
    found = care.report(settings)
    told = {**found.as_dict(), **({"fixed": repaired} if fix else {})}
    _say(as_json, told, "\n".join(f"{key}: {value}" for key, value in told.items()))
    if not found.ok:
        names = " ".join(care.products_of(found.missing))
        typer.echo(f"objects are missing; bring them back with: sen2extract retry {names}", err=True)
        raise typer.Exit(1)


@app.command()
def rebuild(*, as_json: AsJson = False) -> None:
    """Make catalogue, block index and ledger again from the bucket alone. Run `migrate` first."""
    from dataclasses import asdict

    from ingest import rebuild as work
    from stac.settings import Settings

    done = work.rebuild(Settings())
    text = f"{done.items} items, {done.indexed} of them indexed anew; {done.entries} entries of the ledger"
    _say(as_json, asdict(done), f"{text}; {done.packs} packs")
    for key, reason in done.refused:
        typer.echo(f"{key}: {reason}", err=True)
    if done.refused:
        raise typer.Exit(1)


@app.command()
def sample(
    folder: Annotated[Path, typer.Argument(help="Folder to write the products into.")],
    size: Annotated[int, typer.Option(help="Pixels per side of a 10 m band; 10980 is the real size.")] = 1098,
    *,
    as_json: AsJson = False,
) -> None:
    """Write a sample archive: genuine L1C and L2A products of two tiles in Cambodia, over more than a year."""
    from rich.progress import Progress

    from ingest.sample import demo_archive

    with Progress(console=_console()) as progress:
        task = progress.add_task("writing products", total=None)
        written = demo_archive(
            folder,
            size=size,
            progress=lambda _, done, total: progress.update(task, completed=done, total=total),
        )
    _say(as_json, {"products": [str(path) for path in written]}, "\n".join(map(str, written)))


def _ingest_all(
    found: list[str],
    jobs: int,
    *,
    source: Source = "auto",
    assets: frozenset[str] | None = None,
    again: "Again" = "changed",
) -> "Iterator[Outcome]":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from ingest import ledger
    from ingest.pipeline import ingest_product
    from stac.settings import Settings

    settings = Settings()
    ledger.see(settings, found)
    work = partial(ingest_product, settings=settings, assets=assets, kind=source, again=again)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=_console()) as progress, ProcessPoolExecutor(min(jobs, len(found))) as pool:
        task = progress.add_task("ingesting", total=len(found))
        for future in as_completed([pool.submit(work, path) for path in found]):
            outcome = future.result()
            progress.console.print(line(outcome), highlight=False, markup=False)
            progress.advance(task)
            yield outcome


def _names(text: str | None) -> frozenset[str] | None:
    if text is None:
        return None
    from stac.bands import BANDS, LAYERS

    names = frozenset(name.strip().upper() for name in text.split(",") if name.strip())
    unknown = names - BANDS.keys() - LAYERS.keys()
    if unknown or not names:
        known = ", ".join([*BANDS, *LAYERS])
        raise typer.BadParameter(f"unknown image {', '.join(sorted(unknown)) or text!r}: choose from {known}")
    return names


def _say(as_json: bool, data: object, text: str) -> None:
    typer.echo(json.dumps(data, indent=2) if as_json else text)


def _console() -> "Console":
    from rich.console import Console

    return Console(stderr=True)
