"""`sen2extract areas`: which places the archive is kept up to date for."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from ingest.areas_import import Line
    from stac.settings import Settings

areas = typer.Typer(
    help="Watched areas, for which the DAG discover_products asks every day.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)

_BACK = "default"

Name = Annotated[str, typer.Argument(help="Name of the area.")]
Tiles = Annotated[list[str] | None, typer.Option("--tile", help="MGRS tile such as 48PWU; may be repeated.")]
Place = Annotated[Path | None, typer.Option("--area", help="GeoJSON file; products that touch it.", exists=True)]
First = Annotated[str | None, typer.Option("--from", help="First day: 2026-01-31, today or today-30 (the default).")]
Last = Annotated[str | None, typer.Option("--to", help="Last day. Default: today.")]
Cloud = Annotated[float | None, typer.Option(min=0, max=100, help="Most cloud cover, in per cent; 100: any.")]
Provider = Annotated[Literal["cdse", "earth-search"] | None, typer.Option(help="Where to look. Default: cdse.")]
Levels = Annotated[list[str] | None, typer.Option("--level", help="l1c or l2a; may be repeated. Default: l2a.")]
Newest = Annotated[
    bool | None, typer.Option("--newest/--all-baselines", help="Of each acquisition only the newest product, or all.")
]
Orbits = Annotated[list[int] | None, typer.Option("--orbit", help="Relative orbit; may be repeated; 0: all.")]
Baselines = Annotated[str | None, typer.Option("--baseline", help="05.11, or a range such as 05.00..; default: any.")]
Indices = Annotated[
    list[str] | None,
    typer.Option("--index", help="Index to store of its products; may be repeated. default: the archive's choice."),
]
Masks = Annotated[
    list[str] | None,
    typer.Option("--mask", help="Mask that is needed, such as ocm; may be repeated. default: those always made."),
]
Retention = Annotated[
    str | None,
    typer.Option(
        help="Which products go, such as 'l1c:age=90; l2a:superseded=30'; none: all stay; default: INGEST_RETENTION."
    ),
]
Comment = Annotated[str | None, typer.Option(help="A note of yours; it is not public.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@areas.command("list")
def list_areas(
    state: Annotated[Literal["requested", "approved"] | None, typer.Option(help="Only areas in this state.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """List the areas: name, state, place, days, clouds, provider, levels, comment, what is made, what is removed."""
    from ingest.areas_shown import facts, print_table
    from stac import areas as table

    found = table.areas(_settings(), state=state)
    if as_json:
        typer.echo(json.dumps([area.model_dump() for area in found], indent=2))
    elif sys.stdout.isatty():
        print_table(found)
    else:
        for area in found:
            typer.echo("\t".join(facts(area)))
    typer.echo(f"{len(found)} areas, {sum(area.enabled for area in found)} enabled", err=True)


@areas.command()
def add(
    name: Name,
    *,
    tile: Tiles = None,
    area: Place = None,
    first: First = None,
    last: Last = None,
    max_cloud: Cloud = None,
    provider: Provider = None,
    level: Levels = None,
    orbit: Orbits = None,
    baseline: Baselines = None,
    newest: Newest = None,
    index: Indices = None,
    mask: Masks = None,
    retention: Retention = None,
    comment: Comment = None,
) -> None:
    """Watch an area: tiles, a GeoJSON file, or both."""
    from stac import areas as table

    given = _given(
        area,
        tiles=tile,
        first_day=first,
        last_day=last,
        max_cloud=max_cloud,
        provider=provider,
        levels=level,
        orbits=[] if orbit == [0] else orbit,
        baseline=baseline,
        newest_only=newest,
        indices=_names(index),
        masks=_names(mask),
        comment=comment,
        **_rules(retention),
    )
    table.add(_settings(), table.checked({"name": name, **given}))
    typer.echo(f"{name}: added", err=True)


@areas.command()
def edit(
    name: Name,
    *,
    tile: Tiles = None,
    area: Place = None,
    first: First = None,
    last: Last = None,
    max_cloud: Cloud = None,
    provider: Provider = None,
    level: Levels = None,
    orbit: Orbits = None,
    baseline: Baselines = None,
    newest: Newest = None,
    index: Indices = None,
    mask: Masks = None,
    retention: Retention = None,
    comment: Comment = None,
) -> None:
    """Change what is given of an area, and leave the rest."""
    given = _given(
        area,
        tiles=tile,
        first_day=first,
        last_day=last,
        max_cloud=max_cloud,
        provider=provider,
        levels=level,
        orbits=[] if orbit == [0] else orbit,
        baseline=baseline,
        newest_only=newest,
        indices=_names(index),
        masks=_names(mask),
        comment=comment,
        **_rules(retention),
    )
    if not given:
        raise typer.BadParameter("say what to change")
    _change(name, given, "changed")


@areas.command()
def enable(name: Name) -> None:
    """Ask for an area again."""
    _change(name, {"enabled": True}, "enabled")


@areas.command()
def disable(name: Name) -> None:
    """Ask for an area no more, but keep it in the list."""
    _change(name, {"enabled": False}, "disabled")


@areas.command()
def approve(name: Name) -> None:
    """Accept a visitor's request: the area is asked for from now on."""
    _change(name, {"state": "approved", "enabled": True}, "approved")


@areas.command()
def remove(name: Name) -> None:
    """Forget an area; what is held of it stays."""
    from stac import areas as table

    table.remove(_settings(), name)
    typer.echo(f"{name}: removed", err=True)


@areas.command("import")
def import_list(
    file: Annotated[Path, typer.Argument(help="Sen2Chain's job_*.cfg or tiles_to_watch.csv.", exists=True)],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be added, and stop.")] = False,
    as_json: AsJson = False,
) -> None:
    """Watch what Sen2Chain did, line by line. Lines that are here already are left. Exit 1 if one cannot be taken."""
    from ingest.areas_import import read_header, read_lines

    text = file.read_text(errors="replace")
    try:
        lines = read_lines(text, _prefix(file))
    except ValueError as error:
        typer.echo(f"{file}: {error}", err=True)
        raise typer.Exit(1) from error
    said = [(line, _take(line, None if dry_run else _settings())) for line in lines]
    if as_json:
        typer.echo(json.dumps([{**line.as_dict(), "outcome": outcome} for line, outcome in said], indent=2))
    else:
        for line, outcome in said:
            name = line.area.name if line.area else ""
            typer.echo("\t".join([str(line.number), outcome, name, "; ".join([line.reason, *line.notes]).strip("; ")]))
    for told in read_header(text):
        typer.echo(told, err=True)
    if any(line.area is None for line in lines):
        raise typer.Exit(1)


def _take(line: "Line", settings: "Settings | None") -> str:
    """Store a line's area, unless nothing is to be stored; returns what became of it."""
    from stac import areas as table
    from stac.errors import ExistsError

    if line.area is None:
        return "refused"
    if settings is None:
        return "would add"
    try:
        table.add(settings, line.area)
    except ExistsError:
        return "known"
    return "added"


def _prefix(file: Path) -> str:
    """The name of a list, as far as names of areas take it."""
    return (
        "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in file.stem).strip("-") or "list"
    )


def _given(area: Path | None, **values: Any) -> dict[str, Any]:
    """The fields that were given on the command line."""
    from ingest.sources.query import read_area

    try:
        values["geometry"] = json.loads(json.dumps(read_area(area.read_text()))) if area else None
    except ValueError as error:
        raise typer.BadParameter(f"{area}: {error}") from error
    given = {key: value for key, value in values.items() if value is not None}
    return {key: None if value == _BACK else value for key, value in given.items()}


def _names(names: list[str] | None) -> list[str] | None:
    return [] if names == [_BACK] else names


def _rules(text: str | None) -> dict[str, Any]:
    """The rules that were given, of which none are a decision too."""
    from stac.areas_rules import parse_rules

    if text is None:
        return {}
    try:
        return {"retention": _BACK if text == _BACK else [rule.model_dump() for rule in parse_rules(text)]}
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _change(name: str, changes: dict[str, Any], done: str) -> None:
    from stac import areas as table

    table.change(_settings(), name, changes)
    typer.echo(f"{name}: {done}", err=True)


def _settings() -> "Settings":
    from stac.settings import Settings

    return Settings()
