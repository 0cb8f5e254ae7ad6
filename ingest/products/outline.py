"""The footprint that a product's metadata declare, as GeoJSON: longitude first, cut at the antimeridian (RFC 7946)."""

from collections.abc import Sequence
from typing import Any

from shapely import MultiPolygon, Polygon, box, make_valid
from shapely.affinity import translate
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

_CORNERS = 3
_LATITUDE_LIMIT = 90
_LONGITUDE_LIMIT = 360


def outline(text: str | None) -> dict[str, Any] | None:
    """GeoJSON geometry from an `EXT_POS_LIST` (latitude and longitude in turn); None where it gives no area."""
    try:
        numbers = [float(part) for part in (text or "").split()]
    except ValueError:
        return None
    points = list(zip(numbers[1::2], numbers[::2], strict=False))
    if len(numbers) % 2 or len(points) < _CORNERS or not all(_on_earth(*point) for point in points):
        return None
    parts = _polygons(cut_at_antimeridian(points))
    if not parts:
        return None
    shape = parts[0] if len(parts) == 1 else MultiPolygon(parts)
    geometry: dict[str, Any] = mapping(shape)
    return geometry


def cut_at_antimeridian(points: Sequence[tuple[float, float]]) -> BaseGeometry:
    """The polygon through (longitude, latitude) points, in -180..180; it crosses 180 if it would be wider than that."""
    longitudes = [longitude for longitude, _ in points]
    if max(longitudes) - min(longitudes) <= 180:  # noqa: PLR2004 - degrees
        return make_valid(Polygon(points))
    shifted = make_valid(Polygon([(lon + 360 if lon < 0 else lon, lat) for lon, lat in points]))
    west, east = shifted.intersection(box(0, -90, 180, 90)), shifted.intersection(box(180, -90, 360, 90))
    return MultiPolygon([*_polygons(west), *_polygons(translate(east, xoff=-360))])


def _on_earth(longitude: float, latitude: float) -> bool:
    return abs(latitude) <= _LATITUDE_LIMIT and abs(longitude) <= _LONGITUDE_LIMIT


def _polygons(geometry: BaseGeometry) -> list[Polygon]:
    """Parts with an area, rings turned counter-clockwise as RFC 7946 asks."""
    parts = getattr(geometry, "geoms", [geometry])
    return [Polygon(part).normalize().reverse() for part in parts if part.geom_type == "Polygon" and part.area > 0]
