"""A series as GeoJSON: one feature per row, which is what QGIS's temporal controller and sf animate. Pure."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import shapely

from tiler.series.errors import SeriesTooLargeError
from tiler.series.rows import Series
from tiler.series.summary import about, summary
from tiler.series.tables import to_table

_MOST_VERTICES = 5_000_000
_SITE_COLUMNS = ("feature_id", "fid")


def to_geojson(series: Series, links: Sequence[Mapping[str, str]] = ()) -> bytes:
    """A FeatureCollection, columns as properties; raises `SeriesTooLargeError` where outlines repeat too often.

    A row repeats the geometry of its site: arrays in properties would be read as text by nearly every reader.
    """
    table = to_table(series)
    sites = {feature.id: feature.geometry for feature in series.features}
    place = next(i for i, name in enumerate(table.columns) if name in _SITE_COLUMNS)
    _refuse_repetition(series, [sites[row[place]] for row in table.rows])
    shown = {site: shapely.geometry.mapping(geometry) for site, geometry in sites.items()}
    document = {
        "type": "FeatureCollection",
        "features": [_feature(table.columns, row, shown[row[place]]) for row in table.rows],
        **about(series),
        "summary": summary(series),
        "links": list(links),
    }
    return json.dumps(document, allow_nan=False, ensure_ascii=False, separators=(",", ":"), default=str).encode()


def _feature(columns: Sequence[str], row: Sequence[Any], geometry: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": dict(zip(columns, row, strict=True))}


def _refuse_repetition(series: Series, geometries: Sequence[shapely.Geometry]) -> None:
    vertices = sum(int(shapely.get_num_coordinates(one)) for one in geometries)
    if vertices > _MOST_VERTICES:
        raise SeriesTooLargeError(
            f"GeoJSON of {len(geometries)} rows repeats {vertices} vertices, at most {_MOST_VERTICES} are written: ask "
            f"for csv, parquet or covjson, or simplify the outlines of the {len(series.features)} features"
        )
