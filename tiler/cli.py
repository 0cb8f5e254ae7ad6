"""`sen2extract series`: the series engine on the command line, straight from catalogue and bucket.

Data goes to stdout or a file, messages to stderr; exit 0 ok, 1 something could not be read, 2 usage.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tiler.series.engine import Engine, Plan
    from tiler.series.features import Feature
    from tiler.series.rows import Series
    from tiler.settings import TilerSettings

Text = str | None
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_PARTS = (".dbf", ".prj", ".cpg", ".shx")
_PAIR = 2
_NAMED = 5


def series(
    place: Annotated[list[str], typer.Argument(help="LON LAT in degrees, or a FILE of places, or - for stdin.")],
    *,
    index: Annotated[Text, typer.Option(help="Indices, such as NDVI,MNDWI.")] = None,
    assets: Annotated[Text, typer.Option(help="Instead of an index: bands, such as B04,B08.")] = None,
    datetime: Annotated[Text, typer.Option(help="Instant or interval: 2025-01-01/2025-06-30, 2025-01-01/..")] = None,
    mask: Annotated[Text, typer.Option(help="Cloud mask: scl, cm001 to cm004, cldprb, none.")] = None,
    min_valid: Annotated[Text, typer.Option("--min-valid", "--min_valid", help="Least valid fraction, 0 to 1.")] = None,
    max_cloud_cover: Annotated[
        Text, typer.Option("--max-cloud-cover", "--max_cloud_cover", help="Leave out cloudier scenes, per cent.")
    ] = None,
    filter: Annotated[Text, typer.Option(help="CQL2 on item properties.")] = None,  # noqa: A002
    filter_lang: Annotated[Text, typer.Option(help="cql2-text or cql2-json.")] = None,
    pixels: Annotated[Text, typer.Option(help="exact, centre or touched.")] = None,
    step: Annotated[Text, typer.Option(help="Sum up: P7D, P1M, dekad, isoweek, …")] = None,
    smooth: Annotated[Text, typer.Option(help="savgol: a smoothed curve beside the observations.")] = None,
    percentiles: Annotated[Text, typer.Option(help="Such as 25,75.")] = None,
    profile: Annotated[Text, typer.Option(help="long, wide, sen2chain, excel.")] = None,
    order: Annotated[Text, typer.Option(help="newest or oldest first.")] = None,
    resolution: Annotated[Text, typer.Option(help="Metres of a pixel: 10, or from overviews 20 or 40.")] = None,
    collection: Annotated[str, typer.Option(help="The collection to read from.")] = "sentinel-2-indices",
    output: Annotated[Path | None, typer.Option(help="File to write; its suffix says the format.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the curve into this PNG.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Only tell what it would read.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Print the time series of a point, or of the places in a file: GeoJSON, shapefile, GeoPackage, KML, GPX, CSV."""
    asked = {
        "index": index, "assets": assets, "datetime": datetime, "mask": mask, "min_valid": min_valid,
        "max_cloud_cover": max_cloud_cover, "filter": filter, "filter-lang": filter_lang, "pixels": pixels,
        "step": step, "smooth": smooth, "percentiles": percentiles, "profile": profile, "order": order,
        "resolution": resolution,
    }  # fmt: skip
    with _errors():
        parameters = {name: value for name, value in asked.items() if value is not None}
        found = _answer(collection, parameters, place, output=output, plot=plot, explain=explain, as_json=as_json)
    if found is not None:
        _tell(found)


def register(app: typer.Typer) -> None:
    """Add the command to `sen2extract`, which finds this by the entry point of its group."""
    # Else the minus of a western longitude would begin an option.
    app.command("series", context_settings={"ignore_unknown_options": True})(series)


def _answer(
    collection: str,
    parameters: Mapping[str, str],
    place: "Sequence[str]",
    *,
    output: Path | None,
    plot: Path | None,
    explain: bool,
    as_json: bool,
) -> "Series | None":
    from tiler.series.formats import get_format
    from tiler.series.refine import refine
    from tiler.series.request import parse_request
    from tiler.settings import TilerSettings

    tiler = TilerSettings()
    wanted = get_format(output.suffix.removeprefix(".") if output else "json" if as_json else "csv")
    request = parse_request(collection, parameters, default_mask=tiler.default_mask)
    features, report = _places(place, tiler)
    with _engine(tiler) as engine:
        plan = engine.plan(request, features)
        if explain:
            _explained(engine, plan)
            return None
        found = refine(engine.run(plan), features, report)
    content = wanted.encode(found, [])
    if output:
        output.write_bytes(content)
    else:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    if plot:
        from tiler.plot import draw

        plot.write_bytes(draw(found))
    return found


def _places(place: "Sequence[str]", tiler: "TilerSettings") -> "tuple[Sequence[Feature], Mapping[str, Any] | None]":
    """The features that the arguments name, and what became of those of a file."""
    from tiler.series.features import point
    from tiler.series.uploads import UploadLimits, read_upload

    unknown = [word for word in place if word.startswith("-") and word != "-" and not _NUMBER.fullmatch(word)]
    if unknown:
        raise typer.BadParameter(f"no such option: {unknown[0]}; see `sen2extract series --help`")
    if len(place) == _PAIR and all(_NUMBER.fullmatch(word) for word in place):
        return [point(*map(float, place))], None
    if len(place) != 1:
        raise typer.BadParameter("write LON LAT, as 105.4 11.9, or the name of one file")
    limits = UploadLimits(features=tiler.job_max_features, vertices=tiler.job_max_vertices)
    return read_upload(_files(place[0]), limits)


def _files(name: str) -> dict[str, bytes]:
    """The file, by its name, with what says its coordinates; a shapefile with all the files beside it."""
    if name == "-":
        return {"stdin": sys.stdin.buffer.read()}
    path = Path(name)
    wanted = _PARTS if path.suffix.lower() == ".shp" else (".prj",)
    beside = [part for part in path.parent.glob(f"{path.stem}.*") if part.suffix.lower() in wanted]
    return {one.name: one.read_bytes() for one in (path, *beside)}


@contextmanager
def _engine(tiler: "TilerSettings") -> "Iterator[Engine]":
    """An engine on the catalogue and the bucket of the environment, with the limits of jobs."""
    from stac import database
    from stac.settings import Settings
    from tiler.opening import engine_of, pool_of
    from tiler.series import objects
    from tiler.series.limits import Limits

    settings = Settings()
    with database.connect(settings):  # a pool would try for long, and not say why it cannot
        pass
    objects.use_store(settings)
    with pool_of(settings, name="sen2extract-series", size=2, seconds=10) as pool:
        limits = Limits(feature_pixels=tiler.job_max_feature_pixels, pixel_reads=tiler.job_max_pixel_reads)
        with engine_of(settings, tiler, pool, limits) as engine:
            yield engine


def _explained(engine: "Engine", plan: "Plan") -> None:
    cost = engine.explain(plan)
    told = {"query": plan.request.echo(), "features": len(plan.features), **asdict(cost)}
    typer.echo(json.dumps({**told, "estimated_seconds": round(cost.seconds, 2)}, indent=2))


def _tell(found: "Series") -> None:
    """What was found, on stderr; exit 1 where something could not be read."""
    from tiler.series.rows import FAILED
    from tiler.series.summary import summary

    told = summary(found)
    counts = ", ".join(f"{count} {status}" for status, count in found.statuses.items() if count)
    typer.echo(f"{told['rows']} rows of {told['acquisitions']} acquisitions: {counts or told['message']}", err=True)
    for one in (found.report or {}).get("left_out", ()):
        typer.echo(f"left out: {one['reason']}", err=True)
    failed = [row for row in found.rows if row.status in FAILED]
    for row in failed[:_NAMED]:
        typer.echo(f"{row.item_id} {row.index}: {row.status}, {row.reason}", err=True)
    if failed:
        raise typer.Exit(1)


@contextmanager
def _errors() -> "Iterator[None]":
    """What is wrong with the request is usage, what is wrong with the world is a failure; both in one line."""
    import psycopg
    from psycopg_pool import PoolTimeout

    from stac.errors import StacError
    from tiler.plot import PlotError
    from tiler.series.errors import SeriesError, SeriesRequestError, SeriesTooLargeError

    try:
        yield
    except (SeriesRequestError, SeriesTooLargeError) as error:
        _stop(2, error)
    except (SeriesError, StacError, PlotError, OSError) as error:
        _stop(1, error)
    except (psycopg.Error, PoolTimeout) as error:
        _stop(1, f"the database cannot be read: {error}")


def _stop(code: int, reason: object) -> NoReturn:
    typer.echo(f"sen2extract: {' '.join(str(reason).split())}", err=True)
    raise typer.Exit(code)
