"""Bounding boxes of searches, those across the antimeridian too. Pure, no web framework."""

from collections.abc import Iterable, Iterator, Mapping
from math import isfinite
from typing import Any

from geojson_pydantic.geometries import Geometry
from pydantic import TypeAdapter, ValidationError

from stac.errors import SearchError
from stac.filters import Cql2

_GEOMETRIES: TypeAdapter[Any] = TypeAdapter(Geometry)
_ANTIMERIDIAN = 180.0
_POLE = 90.0


def check_numbers(bbox: Any) -> None:
    """Raise `SearchError` for a bounding box of a body that is given and no list of numbers."""
    if bbox is not None and not (
        isinstance(bbox, list) and all(isinstance(edge, int | float) and not isinstance(edge, bool) for edge in bbox)
    ):
        raise SearchError("bbox has to be a list of numbers: [west, south, east, north]")


def touching(place: dict[str, Any] | None) -> Cql2 | None:
    """A filter for what intersects a place."""
    return {"op": "s_intersects", "args": [{"property": "geometry"}, place]} if place else None


def no_rectangle(bbox: Iterable[float] | None) -> dict[str, Any] | None:
    """A bounding box as GeoJSON, if it is none that a database takes for a rectangle; None for any other.

    Such is one across the antimeridian, whose west lies east of its east, and one without width or height: PostGIS
    makes a polygon of it that has no inside, and touches what it likes. Raises `SearchError` for edges that are no
    numbers, or no place on earth.
    """
    edges = flat(bbox)
    if not edges:
        return None
    west, south, east, north = edges
    return None if west < east and south < north else place(edges)


def flat(bbox: Iterable[float] | None) -> list[float]:
    """West, south, east and north of a bounding box, of which one in space has two more: items have no height.

    Raises `SearchError` for edges that are no numbers, or no place on earth.
    """
    edges = [float(edge) for edge in bbox or ()]
    if not edges:
        return []
    if not all(map(isfinite, edges)):
        raise SearchError("bbox has to be numbers: west,south,east,north")
    if len(edges) not in (4, 6):
        raise SearchError("bbox has to be four numbers, or six: west,south,east,north")
    middle = len(edges) // 2
    west, south, east, north = edges[0], edges[1], edges[middle], edges[middle + 1]
    if max(abs(west), abs(east)) > _ANTIMERIDIAN or max(abs(south), abs(north)) > _POLE:
        raise SearchError("bbox lies beyond the earth: longitudes are -180 to 180, latitudes -90 to 90")
    if south > north:
        raise SearchError("bbox has its south north of its north: expected west,south,east,north")
    return [west, south, east, north]


def place(bbox: Any) -> dict[str, Any]:
    """A bounding box as GeoJSON: a polygon, or what is left of one, twice if it crosses the antimeridian.

    Raises `SearchError`.
    """
    check_numbers(bbox)
    edges = flat(bbox)
    if not edges:
        raise SearchError("bbox has to be four numbers, or six: west,south,east,north")
    west, south, east, north = edges
    if west <= east:
        return _rectangle(west, south, east, north)
    halves = [_rectangle(west, south, _ANTIMERIDIAN, north), _rectangle(-_ANTIMERIDIAN, south, east, north)]
    kinds = {half["type"] for half in halves}
    if len(kinds) == 1:
        return {"type": f"Multi{kinds.pop()}", "coordinates": [half["coordinates"] for half in halves]}
    return {"type": "GeometryCollection", "geometries": halves}


def check_place(geometry: Any) -> None:
    """Raise `SearchError` for what is no GeoJSON geometry, or has a coordinate that is no place on earth.

    Across the antimeridian a geometry has two parts, by RFC 7946.
    """
    collected = geometry.get("geometries") if isinstance(geometry, Mapping) else None
    try:
        for part in collected if isinstance(collected, list) else [geometry]:
            _GEOMETRIES.validate_python(part)
    except ValidationError as error:
        raise SearchError(f"the geometry is no GeoJSON: {error.errors()[-1]['msg']}") from None
    for longitude, latitude in _positions(geometry):
        if not (abs(longitude) <= _ANTIMERIDIAN and abs(latitude) <= _POLE):
            raise SearchError(
                "the geometry lies beyond the earth: longitudes are -180 to 180, latitudes -90 to 90; "
                "what crosses the antimeridian has two parts"
            )


def _positions(geometry: Any) -> Iterator[tuple[float, float]]:
    """The longitudes and latitudes of GeoJSON, or of what should be."""
    left = [geometry]
    while left:
        part = left.pop()
        if isinstance(part, Mapping):
            left += [part.get("coordinates"), *(part.get("geometries") or ())]
        elif isinstance(part, list | tuple):
            if len(part) > 1 and all(isinstance(each, int | float) for each in part[:2]):
                yield part[0], part[1]
            else:
                left += part


def _rectangle(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    if west == east and south == north:
        return {"type": "Point", "coordinates": [west, south]}
    if west == east or south == north:
        return {"type": "LineString", "coordinates": [[west, south], [east, north]]}
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}
