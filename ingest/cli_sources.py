"""`sen2extract discover` and `sen2extract download`: products from a provider into the inbox."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ingest.cli_outcomes import line, report

if TYPE_CHECKING:
    from ingest.outcome import Outcome
    from ingest.sources import Offer, Progress, Query, Source
    from ingest.sources.choose import Choice
    from stac.settings import Settings

Provider = Literal["cdse", "earth-search"]
Level = Literal["l1c", "l2a"]
_UNLESS = {"l1c", "l2a", "indices"}


def _derivatives(names: list[str] | None) -> list[str] | None:
    """Refuse a derivative that is none."""
    if wrong := sorted(set(names or ()) - _UNLESS):
        raise typer.BadParameter(f"{wrong[0]!r}: choose from {', '.join(sorted(_UNLESS))}")
    return names


Tiles = Annotated[list[str] | None, typer.Option("--tile", help="MGRS tile such as 48PWU; may be repeated.")]
Box = Annotated[str | None, typer.Option("--bbox", help="west,south,east,north in degrees.")]
Area = Annotated[Path | None, typer.Option("--area", help="GeoJSON file; products that touch it.", exists=True)]
First = Annotated[str, typer.Option("--from", help="First day: 2026-01-31, today or today-30.")]
Last = Annotated[str, typer.Option("--to", help="Last day.")]
Cloud = Annotated[float | None, typer.Option(min=0, max=100, help="Most cloud cover, in per cent.")]
From = Annotated[Provider, typer.Option("--provider", help="Where to look.")]
Levels = Annotated[Level, typer.Option("--level", help="Processing level.")]
Orbits = Annotated[list[int] | None, typer.Option("--orbit", help="Relative orbit; may be repeated.")]
Baselines = Annotated[str | None, typer.Option("--baseline", help="05.11, or a range: 05.00.. or ..04.00.")]
AllBaselines = Annotated[bool, typer.Option("--all-baselines", help="Older products of an acquisition too.")]
Unless = Annotated[
    list[str] | None,
    typer.Option(
        help="Not what is held as l1c, l2a or indices already; may be repeated. Default: its own level.",
        callback=_derivatives,
    ),
]
Again = Annotated[bool, typer.Option("--again", help="Also what was fetched, removed or found invalid before.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def discover(
    *,
    tile: Tiles = None,
    bbox: Box = None,
    area: Area = None,
    start: First = "today-30",
    end: Last = "today",
    max_cloud: Cloud = None,
    provider: From = "cdse",
    level: Levels = "l2a",
    orbit: Orbits = None,
    baseline: Baselines = None,
    unless: Unless = None,
    all_baselines: AllBaselines = False,
    again: Again = False,
    queue: Annotated[bool, typer.Option("--queue", help="Put what is wanted into the queue of downloads.")] = False,
    as_json: AsJson = False,
) -> None:
    """List what a provider offers, and what of it is worth fetching. Nothing is fetched."""
    query = _query(
        tiles=tile,
        bbox=bbox,
        area=area,
        start=start,
        end=end,
        max_cloud=max_cloud,
        level=level,
        orbits=orbit,
        baseline=baseline,
        newest_only=not all_baselines,
    )
    with _opened(provider) as (settings, source):
        choices = _find(settings, source, query, unless, again=again)
        if queue:
            from ingest import downloads

            downloads.note(settings, [choice.offer for choice in choices if choice.wanted])
    list_choices(choices, as_json)


def download(
    *,
    tile: Tiles = None,
    bbox: Box = None,
    area: Area = None,
    start: First = "today-30",
    end: Last = "today",
    max_cloud: Cloud = None,
    provider: From = "cdse",
    level: Levels = "l2a",
    orbit: Orbits = None,
    baseline: Baselines = None,
    unless: Unless = None,
    inbox: Annotated[Path | None, typer.Option(help="Folder to fetch into. Default: INGEST_INBOX.")] = None,
    all_baselines: AllBaselines = False,
    again: Again = False,
    queued: Annotated[bool, typer.Option("--queued", help="Fetch what is in the queue, instead of searching.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be fetched, and stop.")] = False,
    as_json: AsJson = False,
) -> None:
    """Fetch products into the inbox, complete and verified; go on where an earlier, broken-off run was.

    Exit 1 if one could not be fetched. Then: `sen2extract ingest`.
    """
    from ingest import downloads

    if queued and (tile or bbox or area):
        raise typer.BadParameter("--queued takes what is in the queue: name no place with it")
    query = (
        None
        if queued
        else _query(
            tiles=tile,
            bbox=bbox,
            area=area,
            start=start,
            end=end,
            max_cloud=max_cloud,
            level=level,
            orbits=orbit,
            baseline=baseline,
            newest_only=not all_baselines,
        )
    )
    with _opened(provider) as (settings, source):
        choices = _find(settings, source, query, unless, again=again) if query else []
        wanted = [choice.offer for choice in choices if choice.wanted]
        if query is None:
            wanted = downloads.queued(settings, provider=provider)
        elif not dry_run:
            downloads.note(settings, wanted)
        if dry_run:
            list_choices(choices, as_json) if query else _say(wanted, as_json)
            return
        outcomes = list(_fetch_all(settings, source, wanted, inbox or settings.ingest_inbox))
    report(outcomes, as_json)


def _query(*, bbox: str | None, area: Path | None, **values: Any) -> "Query":
    """The query that the options describe; what describes none is a mistake of usage."""
    from ingest.sources.query import query_of, read_area

    if bbox and area:
        raise typer.BadParameter("give either --bbox or --area")
    try:
        place = {"bbox": _corners(bbox) if bbox else None, "area": read_area(area.read_text()) if area else None}
        return query_of({**values, **place}, datetime.now(UTC).date())
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _corners(text: str) -> tuple[float, float, float, float]:
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError as error:
        raise ValueError(f"{text!r} is no box: west,south,east,north in degrees") from error
    return west, south, east, north


@contextmanager
def _opened(provider: Provider) -> "Iterator[tuple[Settings, Source]]":
    from ingest.sources import SourceSettings, open_source
    from stac.settings import Settings

    with open_source(provider, SourceSettings()) as source:
        yield Settings(), source


def _find(
    settings: "Settings", source: "Source", query: "Query", unless: Sequence[str] | None, *, again: bool
) -> "list[Choice]":
    from ingest.sources.choose import find

    return find(settings, source, query, unless=unless or (), again=again)


def _fetch_all(settings: "Settings", source: "Source", wanted: "Sequence[Offer]", inbox: Path) -> "Iterator[Outcome]":
    """One product after the other: the provider's connections are shared by the files of one."""
    from ingest import downloads
    from ingest.errors import BusyError
    from ingest.outcome import Outcome
    from ingest.sources.errors import CredentialsError, NoSpaceError, SourceError

    with _bars(len(wanted)) as bar:
        for number, offer in enumerate(wanted, 1):
            try:
                outcome = downloads.download(settings, source, offer, inbox, bar(number, offer.name))
            except BusyError as error:
                outcome = Outcome(source=offer.name, product=offer.name, state="unchanged", reason=str(error))
            except (CredentialsError, NoSpaceError):
                raise  # the same would be true of all others
            except (SourceError, OSError) as error:
                outcome = downloads.not_downloaded(offer, error)
            typer.echo(line(outcome), err=True)
            yield outcome


@contextmanager
def _bars(count: int) -> "Iterator[Callable[[int, str], Progress]]":
    """A function that begins a product's bar: bytes, rate, time to go; nothing where nobody looks."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as progress:

        def begin(number: int, name: str) -> _Bar:
            for done in progress.tasks:
                progress.update(done.id, visible=False)
            return _Bar(progress, f"{number}/{count} {name[4:26]}{name[37:44]}")

        yield begin


class _Bar:
    """The bar of one product."""

    def __init__(self, bars: "rich.progress.Progress", title: str) -> None:  # type: ignore[name-defined]  # noqa: F821
        self._bars = bars
        self._task = bars.add_task(title, total=None)
        self._total = 0

    def expect(self, total: int) -> None:
        self._total += total
        self._bars.update(self._task, total=self._total)

    def advance(self, count: int) -> None:
        self._bars.advance(self._task, count)


def list_choices(choices: "Sequence[Choice]", as_json: bool) -> None:
    """A table where somebody looks, columns with tabs where a program reads."""
    wanted = [choice for choice in choices if choice.wanted]
    size = sum(choice.offer.size or 0 for choice in wanted) / 1e9
    if as_json:
        typer.echo(json.dumps([choice.as_dict() for choice in choices], indent=2))
    elif sys.stdout.isatty():
        _table(choices)
    else:
        for one in choices:
            typer.echo("\t".join(["+" if one.wanted else "-", one.offer.name, *_facts(one.offer), one.reason]))
    typer.echo(f"{len(choices)} offered, {len(wanted)} to be fetched ({size:.1f} GB)", err=True)


def _table(choices: "Sequence[Choice]") -> None:
    from rich.console import Console
    from rich.table import Column, Table

    table = Table("", Column("product", overflow="fold"), "cloud", "size", Column("", overflow="fold"))
    for one in choices:
        table.add_row("+" if one.wanted else "-", one.offer.name, *_facts(one.offer), one.reason)
    Console(markup=False).print(table)


def _facts(offer: "Offer") -> tuple[str, str]:
    cloud = "?" if offer.cloud_cover is None else f"{offer.cloud_cover:.0f} %"
    return cloud, "?" if offer.size is None else f"{offer.size / 1e6:.0f} MB"


def _say(offers: "Sequence[Offer]", as_json: bool) -> None:
    names = [offer.name for offer in offers]
    typer.echo(json.dumps(names, indent=2) if as_json else "\n".join(names))
