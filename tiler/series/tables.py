"""The rows of a series as named columns, in the profile asked for. Pure."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from stac.indices import SCALE
from tiler.series.interval import format_instant, format_time
from tiler.series.request import SeriesRequest
from tiler.series.rows import Row, Series
from tiler.series.statistics import Statistics

DIGITS = 6
_PREFIX = "feature_"
SMOOTHED = "_smoothed"
Attributes = Mapping[str, Mapping[str, Any]]
Column = Callable[[Row], Any]


@dataclass(frozen=True, kw_only=True)
class Table:
    """Named columns and rows of cells; None is an empty cell."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


def to_table(series: Series) -> Table:
    """The rows in the columns of the request's profile, then the features' own attributes."""
    if series.request.profile == "wide":
        return _wide(series)
    columns = columns_of(series.request, series.attributes)
    cells = [[make(row) for row in series.rows] for make in columns.values()]
    return Table(columns=list(columns), rows=list(zip(*cells, strict=True)))


def columns_of(request: SeriesRequest, attributes: Attributes) -> dict[str, Column]:
    """What makes each cell of a row, by the column's name; not for `wide`, whose lines hold several rows."""
    ours = _sen2chain_columns(request) if request.profile == "sen2chain" else _default_columns(request)
    return {**ours, **_attribute_columns(attributes, ours)}


def series_name(row: Row) -> str:
    """What a row is a value of: its index, or the smoothed curve of it."""
    return row.index + (SMOOTHED if row.status == "smoothed" else "")


def number(value: float | None) -> float | int | None:
    """Six decimals, no float noise, whole numbers as such."""
    if value is None or not math.isfinite(value):
        return None
    rounded = round(value, DIGITS)
    return int(rounded) if rounded == int(rounded) and abs(rounded) >= 1 else rounded + 0.0


def _weight(value: float | None) -> float | int | None:
    rounded = number(value)
    return int(rounded) if rounded is not None and rounded == int(rounded) else rounded


def _of(attribute: str, form: Callable[[float | None], Any]) -> Column:
    return _told(attrgetter(attribute), form, smoothed=attribute == "mean")


def _percentile(position: int, form: Callable[[float | None], Any]) -> Column:
    return _told(lambda found: found.percentiles[position], form)


def _told(get: Callable[[Statistics], Any], form: Callable[[float | None], Any], *, smoothed: bool = False) -> Column:
    """A column of what `get` finds in the statistics; of a smoothed row, only if `smoothed`."""

    def make(row: Row) -> Any:
        found = row.statistics
        return None if found is None or (row.status == "smoothed" and not smoothed) else form(get(found))

    return make


_STEP_COLUMNS: Mapping[str, Column] = {
    "end": lambda row: None if row.summed is None else f"{row.summed.period.end}T00:00:00Z",
    "period": lambda row: None if row.summed is None else row.summed.period.label,
    "acquisitions": lambda row: None if row.summed is None else row.summed.acquisitions,
    "clear": lambda row: None if row.summed is None else row.summed.clear,
}


def _time_of(request: SeriesRequest) -> Column:
    """Steps begin with a day; acquisitions, and what is smoothed between them, are all written alike."""
    form = format_instant if request.step is None else format_time
    return lambda row: form(row.acquired)


def _default_columns(request: SeriesRequest) -> dict[str, Callable[[Row], Any]]:
    return {
        "feature_id": attrgetter("feature_id"),
        "datetime": _time_of(request),
        **(_STEP_COLUMNS if request.step is not None else {}),
        "index": attrgetter("index"),
        "mean": _of("mean", number),
        "min": _of("minimum", number),
        "max": _of("maximum", number),
        "std": _of("std", number),
        "median": _of("median", number),
        **{f"p{wanted:g}": _percentile(i, number) for i, wanted in enumerate(request.percentiles)},
        "count": _of("count", _weight),
        "valid": _of("valid", _weight),
        "masked": _of("masked", _weight),
        "nodata": _of("nodata", _weight),
        "valid_fraction": _of("valid_fraction", number),
        "cloud_probability": _of("cloud_probability", number),
        "tile": attrgetter("tile"),
        "item_id": attrgetter("item_id"),
        "baseline": attrgetter("baseline"),
        "mask": attrgetter("mask"),
        "status": attrgetter("status"),
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
        "nodata": _told(lambda found: found.masked + found.nodata, _weight),
        "nbcld": _of("masked", _weight),
        "cldprb": _of("cloud_probability", number),
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
    """One row per feature and acquisition, one column per index (and one for its smoothed curve): the mean.

    Steps are told by their period, too: the number of an epidemiological week is read off no date.
    """
    time_of = _time_of(series.request)
    period = {} if series.request.step is None else {"period": _STEP_COLUMNS["period"]}
    names = [name + end for name in series.request.names for end in _endings(series.request)]
    lines: dict[tuple[Any, ...], dict[str, Any]] = {}
    firsts: list[Row] = []
    for row in series.rows:
        key = row.feature_id, time_of(row), row.tile
        if key not in lines:
            lines[key] = {}
            firsts.append(row)
        lines[key][series_name(row)] = None if row.statistics is None else number(row.statistics.mean)
    own = ("feature_id", "datetime", "tile", *period, *names)
    attributes = _attribute_columns(series.attributes, dict.fromkeys(own))
    rows = [
        [
            *key,
            *(make(first) for make in period.values()),
            *(line.get(name) for name in names),
            *(make(first) for make in attributes.values()),
        ]
        for first, (key, line) in zip(firsts, lines.items(), strict=True)
    ]
    return Table(columns=[*own, *attributes], rows=rows)


def _endings(request: SeriesRequest) -> tuple[str, ...]:
    return ("",) if request.smooth == "none" else ("", SMOOTHED)


def attribute_names(attributes: Attributes) -> list[str]:
    """The names of all features' own attributes, in the order in which their columns stand, the last of a table."""
    return list(dict.fromkeys(name for own in attributes.values() for name in own))


def _attribute_columns(attributes: Attributes, taken: Mapping[str, Any]) -> dict[str, Column]:
    """The features' own attributes; one that bears the name of a column of ours gets `feature_` before it."""
    columns: dict[str, Column] = {}
    for name in attribute_names(attributes):
        column = name
        while column in taken or column in columns:
            column = _PREFIX + column
        columns[column] = _attribute(attributes, name)
    return columns


def _attribute(attributes: Attributes, name: str) -> Column:
    return lambda row: attributes.get(row.feature_id, {}).get(name)
