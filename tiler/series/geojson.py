"""A series as GeoJSON: one feature per row, which is what QGIS's temporal controller and sf animate. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import shapely

from tiler.series.compact import compact
from tiler.series.errors import SeriesTooLargeError
from tiler.series.rows import Series
from tiler.series.summary import about, summary
from tiler.series.tables import Table, to_table

_MOST_VERTICES = 5_000_000
_SITE_COLUMNS = ("feature_id", "fid")


def to_geojson(series: Series, links: Sequence[Mapping[str, str]] = ()) -> bytes:
    """A FeatureCollection, columns as properties; raises `SeriesTooLargeError` where outlines repeat too often.

    A row repeats the geometry of its site: arrays in properties would be read as text by nearly every reader.
    """
    table = to_table(series)
    sites = {feature.id: feature.geometry for feature in series.features}
    place = site_column(table.columns)
    _refuse_repetition(series, [sites[row[place]] for row in table.rows])
    shown = {site: shapely.geometry.mapping(geometry) for site, geometry in sites.items()}
    document = {
        "type": "FeatureCollection",
        "features": [_feature(table.columns, row, shown[row[place]]) for row in table.rows],
        **about(series),
        "summary": summary(series),
        "links": list(links),
    }
    return compact(document).encode()


def site_column(columns: Sequence[str]) -> int:
    """Where a row says which feature it is of."""
    return next(i for i, name in enumerate(columns) if name in _SITE_COLUMNS)


def features_of(series: Series, table: Table) -> Iterator[str]:
    """The rows of a part of a larger series, each as a GeoJSON feature."""
    place = site_column(table.columns)
    shown = {feature.id: shapely.geometry.mapping(feature.geometry) for feature in series.features}
    for row in table.rows:
        yield compact(_feature(table.columns, row, shown[row[place]]))


def _feature(columns: Sequence[str], row: Sequence[Any], geometry: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": dict(zip(columns, row, strict=True))}


def _refuse_repetition(series: Series, geometries: Sequence[shapely.Geometry]) -> None:
    vertices = sum(int(shapely.get_num_coordinates(one)) for one in geometries)
    if vertices > _MOST_VERTICES:
        raise SeriesTooLargeError(
            f"GeoJSON of {len(geometries)} rows repeats {vertices} vertices, at most {_MOST_VERTICES} are written: ask "
            f"for csv, parquet or covjson, or simplify the outlines of the {len(series.features)} features"
        )
