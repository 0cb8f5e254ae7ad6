"""What users draw or upload: GeoJSON to checked geometries, in degrees, safe across the antimeridian."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Transformer
from shapely.geometry import MultiPoint, MultiPolygon, Point, Polygon, shape
from shapely.geometry.base import BaseGeometry
from shapely.validation import explain_validity

from tiler.series.errors import SeriesRequestError, SeriesTooLargeError

_ALLOWED = ("Point", "MultiPoint", "Polygon", "MultiPolygon")
_HALF, _WHOLE = 180.0, 360.0
_DEEPEST = 20
_SEAM = 1e-6
"""Metres within which two halves meet."""
_HAIR = np.array([-1e-7, -1e-7, 1e-7, 1e-7])
"""Degrees, a centimetre: the box of a point is a box."""
_SEGMENT = 0.01
"""Degrees: edges are cut to this length before they are projected, so that a long edge stays where GeoJSON has it."""


@dataclass(frozen=True, kw_only=True)
class Feature:
    """A place to sum up: WGS 84 geometry within -180..180 degrees, and what the user attached to it."""

    id: str
    geometry: BaseGeometry
    attributes: Mapping[str, Any] = field(default_factory=dict)
    _projected: dict[int, BaseGeometry] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def is_points(self) -> bool:
        """Whether it is made of points: then each point is the pixel that contains it."""
        return isinstance(self.geometry, Point | MultiPoint)

    @cached_property
    def places(self) -> int:
        """Of how many places its outline is made."""
        return int(shapely.get_num_coordinates(self.geometry))

    def projected(self, epsg: int) -> BaseGeometry:
        """The geometry in metres of a UTM zone; halves that meet at the antimeridian are one again."""
        if epsg not in self._projected:
            fine = self.geometry if self.is_points else shapely.segmentize(self.geometry, _SEGMENT)
            moved = project(fine, 4326, epsg)
            whole = shapely.union_all([moved], grid_size=_SEAM) if isinstance(moved, MultiPolygon) else moved
            self._projected[epsg] = whole
        return self._projected[epsg]

    def bounds_in(self, epsg: int) -> tuple[float, float, float, float]:
        """West, south, east and north of the geometry in metres of a UTM zone."""
        bounds: tuple[float, float, float, float] = self.projected(epsg).bounds
        return bounds


def point(longitude: float, latitude: float) -> Feature:
    """The feature of a point request; raises `SeriesRequestError` outside the globe."""
    return Feature(id="0", geometry=checked(Point(longitude, latitude), "point"))


def parse_features(document: Any, *, max_features: int, max_vertices: int) -> tuple[Feature, ...]:
    """Features of a GeoJSON document; raises `SeriesRequestError`, or `SeriesTooLargeError` over a limit."""
    found = entries(document)
    if len(found) > max_features:
        raise SeriesTooLargeError(f"{len(found)} features: at most {max_features} in one request, send fewer")
    features = tuple(_feature(entry, position) for position, entry in enumerate(found))
    vertices = sum(int(shapely.get_num_coordinates(feature.geometry)) for feature in features)
    if vertices > max_vertices:
        raise SeriesTooLargeError(
            f"{vertices} vertices: at most {max_vertices} in one request, simplify the outlines or send fewer features"
        )
    _refuse_twins(features)
    return features


def around(features: Sequence[Feature]) -> BaseGeometry:
    """One geometry that holds every feature, and not much more: what a database can compare with quickly."""
    if len(features) == 1:
        return features[0].geometry
    boxes = shapely.bounds(np.array([feature.geometry for feature in features], dtype=object))
    west, south, east, north = (boxes + _HAIR).T
    return shapely.union_all(shapely.box(west, south, east, north))


def project(geometry: BaseGeometry, source: int, target: int) -> BaseGeometry:
    """`geometry` from one EPSG code's coordinates to another's, x before y."""
    if source == target:
        return geometry
    transformer = _transformer(source, target)

    def move(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(transformer.transform(xy[:, 0], xy[:, 1]))

    return shapely.transform(geometry, move)


@lru_cache(maxsize=256)
def _transformer(source: int, target: int) -> Transformer:
    return Transformer.from_crs(source, target, always_xy=True)


def entries(document: Any) -> list[Any]:
    """The features of a GeoJSON document, unchecked; raises `SeriesRequestError` where it is none."""
    kind = document.get("type") if isinstance(document, dict) else None
    if kind == "FeatureCollection" and isinstance(document.get("features"), list):
        if not document["features"]:
            raise SeriesRequestError("the FeatureCollection holds no feature")
        return list(document["features"])
    if kind == "Feature":
        return [document]
    if kind in _ALLOWED:
        return [{"type": "Feature", "geometry": document, "properties": {}}]
    raise SeriesRequestError("the body is no GeoJSON: send a Feature or a FeatureCollection")


def plain(value: Any, where: str, depth: int = 0) -> Any:
    """An attribute as every format can hold it: numbers finite, text without halves of characters, nothing endless."""
    if depth > _DEEPEST:
        raise SeriesRequestError(f"{where}: attributes are nested deeper than {_DEEPEST} levels: flatten them")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {str(plain(name, where)): plain(one, where, depth + 1) for name, one in value.items()}
    return [plain(one, where, depth + 1) for one in value] if isinstance(value, list) else value


def _feature(entry: Any, position: int) -> Feature:
    where = f"feature {position}"
    if not isinstance(entry, dict) or entry.get("type") != "Feature":
        raise SeriesRequestError(f"{where} is no GeoJSON Feature")
    properties = entry.get("properties") or {}
    if not isinstance(properties, dict):
        raise SeriesRequestError(f"{where}: properties must be an object")
    given = entry.get("id", properties.get("id"))
    identity = str(position) if given is None or isinstance(given, dict | list) else str(plain(given, where))
    return Feature(id=identity, geometry=_geometry(entry.get("geometry"), where), attributes=plain(properties, where))


def _geometry(entry: Any, where: str) -> BaseGeometry:
    kind = entry.get("type") if isinstance(entry, dict) else None
    if kind not in _ALLOWED:
        raise SeriesRequestError(f"{where}: geometry {kind!r} is not supported: use {', '.join(_ALLOWED)}")
    try:
        geometry = shape(entry)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, shapely.errors.ShapelyError) as error:
        raise SeriesRequestError(f"{where}: coordinates are malformed ({str(error)[:200]})") from error
    if geometry.is_empty:
        raise SeriesRequestError(f"{where}: geometry is empty")
    return checked(shapely.force_2d(geometry), where)


def checked(geometry: BaseGeometry, where: str) -> BaseGeometry:
    """The geometry (in degrees) checked, unwrapped at the antimeridian and cut there; raises `SeriesRequestError`."""
    xy = shapely.get_coordinates(geometry)
    outside = ~(np.isfinite(xy).all(axis=1) & (np.abs(xy[:, 0]) <= _WHOLE) & (np.abs(xy[:, 1]) <= _HALF / 2))
    if outside.any():
        lon, lat = xy[outside][0]
        raise SeriesRequestError(
            f"{where}: {lon:g}, {lat:g} is no longitude and latitude in degrees (WGS 84, longitude first)"
        )
    if isinstance(geometry, Point | MultiPoint):
        return shapely.transform(geometry, _wrapped)
    unwrapped = MultiPolygon([_unwrapped(part) for part in _polygons(geometry)])
    if not unwrapped.is_valid:
        raise SeriesRequestError(f"{where}: polygon is invalid: {explain_validity(unwrapped)}")
    if unwrapped.area == 0:
        raise SeriesRequestError(f"{where}: polygon has no area")
    return _cut(unwrapped)


def _wrapped(xy: NDArray[np.float64]) -> NDArray[np.float64]:
    inside = np.abs(xy[:, 0]) <= _HALF
    return np.column_stack([np.where(inside, xy[:, 0], (xy[:, 0] + _HALF) % _WHOLE - _HALF), xy[:, 1]])


def _polygons(geometry: BaseGeometry) -> list[Polygon]:
    return [geometry] if isinstance(geometry, Polygon) else list(geometry.geoms)


def _unwrapped(polygon: Polygon) -> Polygon:
    """A ring that jumps by more than half the globe goes the short way, across the antimeridian."""
    rings = [np.asarray(ring.coords) for ring in (polygon.exterior, *polygon.interiors)]
    if not any((np.abs(np.diff(ring[:, 0])) > _HALF).any() for ring in rings):
        return polygon
    moved = [np.column_stack([np.where(ring[:, 0] < 0, ring[:, 0] + _WHOLE, ring[:, 0]), ring[:, 1]]) for ring in rings]
    return Polygon(moved[0], moved[1:])


def _cut(geometry: MultiPolygon) -> BaseGeometry:
    west, _, east, _ = geometry.bounds
    if west >= -_HALF and east <= _HALF:
        return geometry.geoms[0] if len(geometry.geoms) == 1 else geometry
    pieces: list[Polygon] = []
    for turn in range(math.floor((west + _HALF) / _WHOLE), math.ceil((east + _HALF) / _WHOLE)):
        left = turn * _WHOLE - _HALF
        part = shapely.intersection(geometry, shapely.box(left, -_HALF / 2, left + _WHOLE, _HALF / 2))
        moved = shapely.transform(part, lambda xy, shift=turn * _WHOLE: xy - [shift, 0.0])
        pieces += [piece for piece in shapely.get_parts(moved) if isinstance(piece, Polygon)]
    return MultiPolygon(pieces)


def _refuse_twins(features: Sequence[Feature]) -> None:
    seen: set[str] = set()
    for feature in features:
        if feature.id in seen:
            raise SeriesRequestError(f"two features have the id {feature.id!r}: give each its own")
        seen.add(feature.id)
