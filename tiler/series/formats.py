"""The forms in which a series is served, and how a request chooses one. Pure: the same series gives the same bytes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tiler.series.columnar import to_parquet
from tiler.series.compact import compact
from tiler.series.covjson import to_covjson
from tiler.series.delimited import to_csv
from tiler.series.errors import SeriesRequestError
from tiler.series.geojson import to_geojson
from tiler.series.lines import to_ndjson
from tiler.series.request import SeriesRequest
from tiler.series.resolution import FINEST
from tiler.series.rows import Series
from tiler.series.summary import about, summary
from tiler.series.tables import to_table

Links = Sequence[Mapping[str, str]]


@dataclass(frozen=True, kw_only=True)
class Format:
    """A form in which a series is served; `names` are others that `f` and `Accept` may give it."""

    name: str
    media_type: str
    encode: Callable[[Series, Links], bytes]
    names: tuple[str, ...] = ()


def get_format(name: str) -> Format:
    """The format called `name`, in any case; raises `SeriesRequestError` naming those there are."""
    known = _BY_NAME.get(name.lower())
    if known is None:
        raise SeriesRequestError(f"format {name!r} is unknown: choose from {', '.join(FORMATS)}")
    return known


def choose_format(suffix: str | None, asked: str | None, accept: str, default: str = "json") -> Format:
    """By the path's suffix, else `f`, else the `Accept` header, else the default."""
    if suffix or asked:
        return get_format(str(suffix or asked))
    wanted = [part.split(";")[0].strip().lower() for part in accept.split(",")]
    return next((_BY_NAME[kind] for kind in wanted if "/" in kind and kind in _BY_NAME), FORMATS[default])


def file_name(request: SeriesRequest, suffix: str) -> str:
    """A name for the downloaded file that says what is in it."""
    span = [end.strftime("%Y%m%d") for end in (request.interval.start, request.interval.end) if end is not None]
    extra = [request.step.text] if request.step else []
    extra += [f"{request.resolution}m"] if request.resolution != FINEST else []
    return "_".join([*request.names[:4], request.collection, request.mask.name, *extra, *span]) + f".{suffix}"


def to_json(series: Series, links: Links = ()) -> bytes:
    """Columnar JSON, the query and the software's version with it."""
    table = to_table(series)
    columns = list(zip(*table.rows, strict=True)) or [()] * len(table.columns)
    document = {
        "type": "timeseries",
        **about(series),
        "columns": table.columns,
        "data": dict(zip(table.columns, columns, strict=True)),
        "summary": summary(series),
        "links": list(links),
    }
    return compact(document).encode()


FORMATS: Mapping[str, Format] = {
    one.name: one
    for one in (
        Format(name="json", media_type="application/json", encode=to_json),
        Format(name="csv", media_type="text/csv", encode=to_csv),
        Format(
            name="ndjson",
            media_type="application/x-ndjson",
            encode=to_ndjson,
            names=("application/ndjson", "application/jsonl", "application/x-jsonlines", "jsonl"),
        ),
        Format(
            name="parquet",
            media_type="application/vnd.apache.parquet",
            encode=to_parquet,
            names=("application/x-parquet", "application/parquet"),
        ),
        Format(name="geojson", media_type="application/geo+json", encode=to_geojson),
        Format(
            name="covjson",
            media_type="application/prs.coverage+json",
            encode=to_covjson,
            names=("coveragejson", "application/vnd.cov+json"),
        ),
    )
}
_BY_NAME = {name: one for one in FORMATS.values() for name in (one.name, one.media_type, *one.names)}
