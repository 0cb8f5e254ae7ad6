"""A series as JSON or CSV. Pure: the same series gives the same bytes."""

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stac.indices import SCALE
from tiler.series.errors import SeriesRequestError
from tiler.series.request import SeriesRequest, format_time
from tiler.series.rows import Row, Series
from tiler.series.version import NAME, VERSION

_DIGITS = 6
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_LATER = ("parquet", "geojson", "covjson", "ndjson")
_PREFIX = "feature_"


@dataclass(frozen=True, kw_only=True)
class Format:
    """A form in which a series is served."""

    name: str
    media_type: str
    encode: Callable[[Series, Sequence[Mapping[str, str]]], bytes]


@dataclass(frozen=True, kw_only=True)
class Table:
    """Named columns and rows of cells; None is an empty cell."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


def get_format(name: str) -> Format:
    """The format called `name`; raises `SeriesRequestError` naming those there are."""
    if name in FORMATS:
        return FORMATS[name]
    when = " is not yet available" if name in _LATER else " is unknown"
    raise SeriesRequestError(f"format {name!r}{when}: choose from {', '.join(FORMATS)}")


def choose_format(suffix: str | None, asked: str | None, accept: str) -> Format:
    """By the path's suffix, else `f`, else the `Accept` header, else JSON."""
    if suffix or asked:
        return get_format(str(suffix or asked).lower())
    wanted = [part.split(";")[0].strip().lower() for part in accept.split(",")]
    return next((one for kind in wanted for one in FORMATS.values() if one.media_type == kind), FORMATS["json"])


def file_name(request: SeriesRequest, suffix: str) -> str:
    """A name for the downloaded file that says what is in it."""
    span = [end.strftime("%Y%m%d") for end in (request.interval.start, request.interval.end) if end is not None]
    return "_".join([*request.names[:4], request.collection, request.mask.name, *span]) + f".{suffix}"


def to_table(series: Series) -> Table:
    """The rows in the columns of the request's profile, then the features' own attributes."""
    if series.request.profile == "wide":
        return _wide(series)
    columns = _sen2chain_columns if series.request.profile == "sen2chain" else _default_columns
    cells = {name: [make(row) for row in series.rows] for name, make in columns(series.request).items()}
    attributes = _attribute_columns(series, cells)
    whole = {**cells, **attributes}
    return Table(columns=list(whole), rows=list(zip(*whole.values(), strict=True)))


def to_json(series: Series, links: Sequence[Mapping[str, str]] = ()) -> bytes:
    """Columnar JSON, the query and the software's version with it."""
    table = to_table(series)
    columns = list(zip(*table.rows, strict=True)) or [()] * len(table.columns)
    document = {
        "type": "timeseries",
        "query": series.request.echo(),
        "software": {"name": NAME, "version": VERSION},
        "columns": table.columns,
        "data": dict(zip(table.columns, columns, strict=True)),
        "summary": summary(series),
        "links": list(links),
    }
    return json.dumps(document, allow_nan=False, ensure_ascii=False, separators=(",", ":"), default=str).encode()


def to_csv(series: Series, links: Sequence[Mapping[str, str]] = ()) -> bytes:
    """RFC 4180 in UTF-8; text that a spreadsheet would run as a formula is quoted with an apostrophe."""
    del links
    table = to_table(series)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([_cell(column) for column in table.columns])
    writer.writerows([_cell(cell) for cell in row] for row in table.rows)
    return text.getvalue().encode()


def summary(series: Series) -> dict[str, Any]:
    """How many acquisitions and rows there are, how many of each status, how many were dropped, and why none."""
    told: dict[str, Any] = {
        "acquisitions": series.acquisitions,
        "rows": len(series.rows),
        "dropped": series.dropped,
        **series.statuses,
    }
    if not series.rows:
        told["message"] = _why_empty(series)
    if series.nearest is not None:
        told["nearest"] = {"tile": series.nearest.tile, "distance_km": series.nearest.distance_km}
    return told


FORMATS: Mapping[str, Format] = {
    "json": Format(name="json", media_type="application/json", encode=to_json),
    "csv": Format(name="csv", media_type="text/csv", encode=to_csv),
}


def _why_empty(series: Series) -> str:
    if series.dropped:
        return f"all {series.dropped} samples have fewer valid pixels than min_valid={series.request.min_valid:g}"
    if series.nearest is None:
        return f"{series.request.collection} holds nothing yet"
    if series.nearest.distance_km == 0:
        return f"tile {series.nearest.tile} covers this place, but no acquisition passes datetime and filters"
    near = series.nearest
    return f"no image covers this place: the nearest tile held is {near.tile}, {near.distance_km:g} km away"


def _number(value: float | None) -> float | int | None:
    """Six decimals, no float noise, whole numbers as such."""
    if value is None or not math.isfinite(value):
        return None
    rounded = round(value, _DIGITS)
    return int(rounded) if rounded == int(rounded) and abs(rounded) >= 1 else rounded + 0.0


def _weight(value: float | None) -> float | int | None:
    rounded = _number(value)
    return int(rounded) if rounded is not None and rounded == int(rounded) else rounded


def _of(attribute: str, form: Callable[[float | None], Any]) -> Callable[[Row], Any]:
    return lambda row: None if row.statistics is None else form(getattr(row.statistics, attribute))


def _percentile(position: int, form: Callable[[float | None], Any]) -> Callable[[Row], Any]:
    return lambda row: None if row.statistics is None else form(row.statistics.percentiles[position])


def _default_columns(request: SeriesRequest) -> dict[str, Callable[[Row], Any]]:
    return {
        "feature_id": lambda row: row.feature_id,
        "datetime": lambda row: format_time(row.acquired),
        "index": lambda row: row.index,
        "mean": _of("mean", _number),
        "min": _of("minimum", _number),
        "max": _of("maximum", _number),
        "std": _of("std", _number),
        "median": _of("median", _number),
        **{f"p{wanted:g}": _percentile(i, _number) for i, wanted in enumerate(request.percentiles)},
        "count": _of("count", _weight),
        "valid": _of("valid", _weight),
        "masked": _of("masked", _weight),
        "nodata": _of("nodata", _weight),
        "valid_fraction": _of("valid_fraction", _number),
        "cloud_probability": _of("cloud_probability", _number),
        "tile": lambda row: row.tile,
        "item_id": lambda row: row.item_id,
        "baseline": lambda row: row.baseline,
        "mask": lambda row: row.mask,
        "status": lambda row: row.status,
        "reason": lambda row: row.reason or None,
    }


def _sen2chain_columns(request: SeriesRequest) -> dict[str, Callable[[Row], Any]]:
    """The predecessor's columns, x 10000: `count` is what is valid, `nodata` includes `nbcld`, what is masked."""
    return {
        "date": lambda row: f"{row.acquired:%Y-%m-%d %H:%M:%S}",
        "fid": lambda row: row.feature_id,
        "tile": lambda row: row.tile,
        "filename": lambda row: f"{row.item_id}_{row.index}" + ("" if row.mask == "none" else f"_{row.mask.upper()}"),
        "count": _of("valid", _weight),
        "nodata": lambda row: (
            None if row.statistics is None else _weight(row.statistics.masked + row.statistics.nodata)
        ),
        "nbcld": _of("masked", _weight),
        "cldprb": _of("cloud_probability", _number),
        "min": _of("minimum", _thousands),
        "max": _of("maximum", _thousands),
        "mean": _of("mean", _thousands),
        "std": _of("std", _thousands),
        "median": _of("median", _thousands),
        **{f"percentile_{wanted:g}": _percentile(i, _thousands) for i, wanted in enumerate(request.percentiles)},
    }


def _thousands(value: float | None) -> int | float | None:
    """The predecessor's stored integers, x 10000; what lies between two of them keeps two decimals."""
    if value is None:
        return None
    scaled = round(value / SCALE, 2)
    return int(scaled) if scaled == int(scaled) else scaled


def _wide(series: Series) -> Table:
    """One row per feature and acquisition, one column per index: the mean."""
    names = series.request.names
    lines: dict[tuple[Any, ...], dict[str, Any]] = {}
    firsts: list[Row] = []
    for row in series.rows:
        key = row.feature_id, format_time(row.acquired), row.tile
        if key not in lines:
            lines[key] = {}
            firsts.append(row)
        lines[key][row.index] = None if row.statistics is None else _number(row.statistics.mean)
    columns = ["feature_id", "datetime", "tile", *names]
    cells = {column: [key[place] for key in lines] for place, column in enumerate(columns[:3])}
    cells |= {name: [line.get(name) for line in lines.values()] for name in names}
    whole = {**cells, **_attribute_columns(series, cells, firsts)}
    return Table(columns=list(whole), rows=list(zip(*whole.values(), strict=True)))


def _attribute_columns(
    series: Series, taken: Mapping[str, Any], rows: Sequence[Row] | None = None
) -> dict[str, list[Any]]:
    """The features' own attributes; one that bears the name of a column of ours gets `feature_` before it."""
    names = dict.fromkeys(name for attributes in series.attributes.values() for name in attributes)
    columns: dict[str, list[Any]] = {}
    for name in names:
        column = name
        while column in taken or column in columns:
            column = _PREFIX + column
        columns[column] = [
            series.attributes.get(row.feature_id, {}).get(name) for row in (series.rows if rows is None else rows)
        ]
    return columns


def _cell(value: Any) -> Any:
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    if isinstance(value, float):
        return f"{value:.{_DIGITS}f}".rstrip("0").rstrip(".")
    return value
