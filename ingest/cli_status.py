"""`sen2extract status`: what happened to each product, and what the archive lacks."""

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from stac.states import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stac.gaps import TileGaps
    from stac.settings import Settings
    from stac.status import Product

_PAGE = 100
_NEWEST = 50


def status(
    state: Annotated[State | None, typer.Option(help="Only products in this state.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="How many products to list, the newest first (50), or tiles (all).")
    ] = None,
    tile: Annotated[str | None, typer.Option(help="With --gaps or --tiles: only this tile, such as 48PWU.")] = None,
    *,
    gaps: Annotated[bool, typer.Option("--gaps", help="Say what the archive lacks, tile by tile.")] = False,
    tiles: Annotated[bool, typer.Option("--tiles", help="A line per tile: expected, held, lag.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Say what happened to each product: how many are in each state, and the latest of them with their reasons.

    On stderr: what waits in the queue, and what failed, by kind. With --tiles: of each tile how many acquisitions its
    orbits lead one to expect and are held, and how old the newest is.

    With --gaps: the dates that the orbits lead one to expect and of which nothing is held, and what is held and not
    derived; each with the command that would bring it.
    """
    from stac.settings import Settings

    if not (gaps or tiles) and tile:
        raise typer.BadParameter("--tile goes with --gaps or --tiles")
    if ((gaps or tiles) and state) or (gaps and tiles):
        raise typer.BadParameter("--state, --gaps and --tiles do not go together")
    if tiles:
        _tell_tiles(list(all_gaps(Settings(), tile, limit)), as_json)
    elif gaps:
        tell_gaps(list(all_gaps(Settings(), tile, limit)), as_json)
    else:
        _tell_products(Settings(), state, limit or _NEWEST, as_json)


def _tell_products(settings: "Settings", state: State | None, limit: int, as_json: bool) -> None:
    from stac import status as ledger
    from stac.status_summary import summary

    found = summary(settings)
    products = ledger.products(settings, state=state, limit=limit)
    if as_json:
        shown = [product.as_dict(private=True) for product in products]
        typer.echo(json.dumps({**found, "products": shown}, indent=2))
        return
    counted = ", ".join(f"{count} {name}" for name, count in found["counts"].items())
    typer.echo(counted or "no products yet", err=True)
    for one in found["queue"]:
        typer.echo(f"queue: {one['count']} {one['state']} ({one['place']}), since {one['oldest'][:16]}", err=True)
    for one in found["failures"]:
        typer.echo(f"trouble: {one['count']} {one['state']}, {one['means']}; last {one['latest'][:16]}", err=True)
    _list(products)


def _tell_tiles(tiles: "list[TileGaps]", as_json: bool) -> None:
    """A line per tile: tile, held, expected, removed, newest, days since, gaps by kind."""
    now = datetime.now(UTC)
    shown = [{name: value for name, value in tile.as_dict(now).items() if name != "gaps"} for tile in tiles]
    if as_json:
        typer.echo(json.dumps({"tiles": shown}, indent=2))
        return
    names = ("tile", "held", "expected", "removed", "latest", "lag_days")
    rows = [[*(str(one[name]) for name in names), _kinds(one["counts"])] for one in shown]
    if sys.stdout.isatty():
        _table((*names, "lacks"), rows)
    else:
        for row in rows:
            typer.echo("\t".join(row))
    typer.echo(f"{len(tiles)} tiles", err=True)


def _kinds(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in counts.items())


def _table(names: "Sequence[str]", rows: "Sequence[Sequence[str]]") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*names)
    for row in rows:
        table.add_row(*row)
    Console(markup=False).print(table)


def all_gaps(settings: "Settings", tile: str | None, limit: int | None) -> "Iterator[TileGaps]":
    """Tile by tile, read a page at a time."""
    from stac.errors import NameFormatError
    from stac.gaps import gaps
    from stac.naming import Tile

    try:
        wanted = None if tile is None else str(Tile.parse(tile))
    except NameFormatError as error:
        raise typer.BadParameter(str(error)) from error
    after, told = None, 0
    while limit is None or told < limit:
        page = gaps(settings, tile=wanted, after=after, limit=min(_PAGE, (limit or _PAGE + told) - told))
        yield from page
        if not page:
            return
        after, told = page[-1].tile, told + len(page)


def tell_gaps(tiles: "list[TileGaps]", as_json: bool) -> None:
    """Gap by gap, with the command that would bring it."""
    if as_json:
        typer.echo(json.dumps({"tiles": [tile.as_dict(datetime.now(UTC)) for tile in tiles]}, indent=2))
        return
    for tile in tiles:
        lacks = _kinds(tile.counts) or "nothing is missing"
        typer.echo(f"{tile.tile}: {tile.held} of {tile.expected} acquisitions held; {lacks}", err=True)
        for gap in tile.gaps:
            where = f"{gap.platform}\tR{gap.relative_orbit:03d}"
            typer.echo(f"{tile.tile}\t{gap.datetime:%Y-%m-%d}\t{where}\t{gap.kind}\t{gap.command}")
    if not tiles:
        typer.echo("no products yet", err=True)


def _list(products: "list[Product]") -> None:
    """A table where somebody looks, plain columns with tabs where a program reads."""
    if not sys.stdout.isatty():
        for one in products:
            typer.echo(f"{one.state}\t{one.id}\t{one.attempts}\t{one.updated:%Y-%m-%dT%H:%M:%SZ}\t{one.reason or ''}")
        return
    from rich.console import Console
    from rich.table import Column, Table

    whole = Column("product", overflow="fold")
    table = Table("state", whole, "attempts", "updated (UTC)", Column("reason", overflow="fold"))
    for one in products:
        table.add_row(one.state, one.id, str(one.attempts), f"{one.updated:%Y-%m-%d %H:%M}", one.reason or "")
    Console(markup=False).print(table)
