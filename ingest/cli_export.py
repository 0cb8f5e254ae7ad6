"""`sen2extract export-geoparquet`: the collections as files."""

import json
from typing import Annotated

import typer


def export_geoparquet(
    collections: Annotated[list[str] | None, typer.Argument(help="Collections; default: all.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Write each collection to one stac-geoparquet file in the bucket, where it changed, and link it."""
    from ingest.geoparquet import export, export_all
    from stac.settings import Settings

    settings = Settings()
    done = [export(name, settings) for name in collections] if collections else export_all(settings)
    if as_json:
        typer.echo(json.dumps([one.as_dict() for one in done], indent=2))
        return
    for one in done:
        state = "nothing to export" if one.key is None else one.key if one.changed else f"unchanged: {one.key}"
        typer.echo(f"{one.collection}: {one.items} items, {state}")
