"""`sen2extract pack`: what makes long series quick."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ingest.packs import Packed

_STATES = ("packed", "unchanged", "planned", "failed")


def pack(
    tile: Annotated[str | None, typer.Option(help="Only this tile, such as 48PWU. Default: all.")] = None,
    asset: Annotated[
        str | None,
        typer.Option(
            help="Images to pack: NDVI,MASK, or B04, L1C/B04 and so on. Default: INGEST_PACK_ASSETS, or NDVI,MASK."
        ),
    ] = None,
    *,
    partial: Annotated[bool, typer.Option("--partial", help="Pack the last dates too, however few.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="First read all packs, and make anew what is damaged.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be made, and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Put the same pixels of many dates side by side, so that a point over 64 dates costs one request instead of 64.

    Packs are copies: they take about as much room as the images they are made of, and no value depends on them. Run it
    again at any time: what is packed already is left alone, so that what was interrupted goes on.
    """
    from rich.console import Console
    from rich.progress import Progress

    from ingest import packs
    from stac.settings import Settings

    settings = Settings()
    assets = packs.assets_of(asset or settings.ingest_pack_assets) or packs.DEFAULT_ASSETS
    found = packs.series_held(settings, assets, _tile(tile))
    told = []
    with Progress(console=Console(stderr=True)) as progress:
        for series in found:
            task = progress.add_task(series, total=None)
            one = packs.pack_series(
                settings,
                series,
                partial=partial,
                check=check,
                dry_run=dry_run,
                progress=lambda done, total, task=task: progress.update(task, completed=done, total=total),  # type: ignore[misc]
            )
            progress.remove_task(task)
            progress.console.print(_line(one), highlight=False, markup=False, soft_wrap=True)
            told.append(one)
    if as_json:
        typer.echo(json.dumps([one.as_dict() for one in told], indent=2))
    counts = {state: sum(one.state == state for one in told) for state in _STATES}
    summary = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    typer.echo(summary or f"the archive holds no {', '.join(assets)}", err=True)
    if counts["failed"]:
        raise typer.Exit(1)


def _line(one: "Packed") -> str:
    if one.reason:
        return f"{one.state:9}  {one.series}: {one.reason}"
    parts = (
        f"{one.made} parts to make" if one.state == "planned" else f"{one.made} parts, {one.bytes / 1e6:.0f} MB made"
    )
    return f"{one.state:9}  {one.series}: {one.images} dates in {one.packs} packs, {one.waiting} waiting; {parts}"


def _tile(text: str | None) -> str | None:
    from stac.errors import NameFormatError
    from stac.naming import Tile

    try:
        return None if text is None else str(Tile.parse(text))
    except NameFormatError as error:
        raise typer.BadParameter(str(error)) from error
