"""A series as CoverageJSON (OGC 21-069r2): one coverage per feature along time. Pure.

A point is a PointSeries, several a MultiPointSeries, an area a PolygonSeries, one of several parts a
MultiPolygonSeries; there the value, which is that of the whole, is repeated for each part. Each index gives the
parameters `{index}` (the mean), `{index}_std`, `_min`, `_max`, `_median`, `_valid_fraction` and `_status`, whose
categories are the statuses of the rows: a date without a value is there, and says why.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from shapely.geometry import MultiPoint, Point, Polygon

from stac.indices import INDICES
from tiler.series.compact import compact
from tiler.series.features import Feature
from tiler.series.interval import format_time
from tiler.series.request import SeriesRequest
from tiler.series.rows import STATUSES, Row, Series
from tiler.series.summary import about, summary
from tiler.series.tables import SMOOTHED, number, series_name

_CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
_STATUS_URI = "urn:sen2extract:status:"
_UNITLESS = {"symbol": {"value": "1", "type": "http://www.opengis.net/def/uom/UCUM/"}}
_STATISTICS = {
    "": ("mean", "mean of the valid pixels"),
    "_std": ("std", "standard deviation of the valid pixels"),
    "_min": ("minimum", "least valid pixel"),
    "_max": ("maximum", "greatest valid pixel"),
    "_median": ("median", "median of the valid pixels"),
    "_valid_fraction": ("valid_fraction", "share of the place that is valid, 0 to 1"),
}
_CODES = {status: code for code, status in enumerate(STATUSES)}
_Cells = Mapping[tuple[str, str], Row]


def to_covjson(series: Series, links: Sequence[Mapping[str, str]] = ()) -> bytes:
    """A Coverage for one feature, a CoverageCollection for several; features without a row are left out."""
    rows: dict[str, list[Row]] = {feature.id: [] for feature in series.features}
    for row in series.rows:
        rows[row.feature_id].append(row)
    coverages = [_coverage(feature, rows[feature.id], series) for feature in series.features if rows[feature.id]]
    more = {**about(series), "summary": summary(series), "links": list(links)}
    parameters = _parameters(series.request)
    document = (
        {**coverages[0], "parameters": parameters, **more}
        if len(coverages) == len(series.features) == 1
        else {"type": "CoverageCollection", "parameters": parameters, "coverages": coverages, **more}
    )
    return compact(document).encode()


def _coverage(feature: Feature, rows: Sequence[Row], series: Series) -> dict[str, Any]:
    cells = _cells(rows)
    times = sorted({time for time, _ in cells})
    domain, axes, tail = _domain(feature, times)
    shape = [len(times), *tail]

    def ranged(kind: str, values: Sequence[Any]) -> dict[str, Any]:
        whole = [value for value in values for _ in range(math.prod(tail))]
        return {"type": "NdArray", "dataType": kind, "axisNames": axes, "shape": shape, "values": whole}

    ranges: dict[str, Any] = {}
    for name in _names(series.request):
        found = [cells.get((time, name)) for time in times]
        for ending, (attribute, _) in _statistics_of(name).items():
            ranges[name + ending] = ranged("float", [_value(row, attribute) for row in found])
        if not _is_curve(name):
            ranges[f"{name}_status"] = ranged("integer", [None if row is None else _CODES[row.status] for row in found])
    return {
        "type": "Coverage",
        "domain": domain,
        "ranges": ranges,
        "sen2extract:feature": {"id": feature.id, "attributes": dict(feature.attributes)},
    }


def _cells(rows: Sequence[Row]) -> _Cells:
    """The row of each time and parameter; of two platforms in the same second, the one that saw more."""
    cells: dict[tuple[str, str], Row] = {}
    for row in rows:
        key = format_time(row.acquired), series_name(row)
        if key not in cells or _seen(row) > _seen(cells[key]):
            cells[key] = row
    return cells


def _seen(row: Row) -> float:
    return -1.0 if row.statistics is None else row.statistics.valid


def _value(row: Row | None, attribute: str) -> float | int | None:
    return None if row is None or row.statistics is None else number(getattr(row.statistics, attribute))


def _domain(feature: Feature, times: Sequence[str]) -> tuple[dict[str, Any], list[str], list[int]]:
    """The domain; names of the ranges' axes, and lengths of those after the first."""
    kind, axes = _place(feature)
    domain = {
        "type": "Domain",
        "domainType": kind,
        "axes": {**axes, "t": {"values": list(times)}},
        "referencing": [
            {"coordinates": ["x", "y"], "system": {"type": "GeographicCRS", "id": _CRS84}},
            {"coordinates": ["t"], "system": {"type": "TemporalRS", "calendar": "Gregorian"}},
        ],
    }
    parts = len(axes["composite"]["values"]) if kind.startswith("Multi") else 0
    return (domain, ["t", "composite"], [parts]) if parts else (domain, ["t"], [])


def _place(feature: Feature) -> tuple[str, dict[str, Any]]:
    """The type of the domain, and its axes in space."""
    geometry = feature.geometry
    if isinstance(geometry, Point):
        return "PointSeries", {"x": {"values": [geometry.x]}, "y": {"values": [geometry.y]}}
    if isinstance(geometry, MultiPoint):
        return "MultiPointSeries", _composite("tuple", [[one.x, one.y] for one in geometry.geoms])
    parts = [geometry] if isinstance(geometry, Polygon) else list(geometry.geoms)
    kind = "PolygonSeries" if len(parts) == 1 else "MultiPolygonSeries"
    return kind, _composite("polygon", [_rings(part) for part in parts])


def _composite(kind: str, values: list[Any]) -> dict[str, Any]:
    return {"composite": {"dataType": kind, "coordinates": ["x", "y"], "values": values}}


def _rings(polygon: Polygon) -> list[list[list[float]]]:
    return [[list(xy) for xy in ring.coords] for ring in (polygon.exterior, *polygon.interiors)]


def _names(request: SeriesRequest) -> list[str]:
    """What there are values of: the indices, and the smoothed curve of each."""
    endings = ("",) if request.smooth == "none" else ("", SMOOTHED)
    return [name + ending for name in request.names for ending in endings]


def _is_curve(name: str) -> bool:
    return name.endswith(SMOOTHED)


def _statistics_of(name: str) -> Mapping[str, tuple[str, str]]:
    """Attribute and description of each parameter, by what its name ends in; a curve has but one."""
    return {"": ("mean", "Savitzky-Golay curve of the means")} if _is_curve(name) else _STATISTICS


def _parameters(request: SeriesRequest) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for name in _names(request):
        for ending, (_, words) in _statistics_of(name).items():
            told[name + ending] = {
                "type": "Parameter",
                "description": {"en": f"{name}: {words}"},
                "observedProperty": {"label": {"en": _label(name.removesuffix(SMOOTHED))}},
                "unit": _UNITLESS,
            }
        if not _is_curve(name):
            told[f"{name}_status"] = _status_parameter(name)
    return told


def _label(name: str) -> str:
    return f"{name}: {INDICES[name].title}" if name in INDICES else name


def _status_parameter(name: str) -> dict[str, Any]:
    categories = [
        {"id": _STATUS_URI + status, "label": {"en": status}, "description": {"en": words}}
        for status, words in STATUSES.items()
    ]
    return {
        "type": "Parameter",
        "description": {"en": f"what became of {name} at each date"},
        "observedProperty": {"label": {"en": "status"}, "categories": categories},
        "categoryEncoding": {_STATUS_URI + status: code for status, code in _CODES.items()},
    }
