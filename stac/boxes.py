"""Bounding boxes of searches, those across the antimeridian too. Pure, no web framework."""

from collections.abc import Iterable
from math import isfinite
from typing import Any

from stac.errors import SearchError
from stac.filters import Cql2

_ANTIMERIDIAN = 180.0
_POLE = 90.0


def check_numbers(bbox: Any) -> None:
    """Raise `SearchError` for a bounding box of a body that is given and no list of numbers."""
    if bbox is not None and not (
        isinstance(bbox, list) and all(isinstance(edge, int | float) and not isinstance(edge, bool) for edge in bbox)
    ):
        raise SearchError("bbox has to be a list of numbers: [west, south, east, north]")


def in_halves(halves: dict[str, Any] | None) -> Cql2 | None:
    """A filter for what intersects the halves of a bounding box."""
    return {"op": "s_intersects", "args": [{"property": "geometry"}, halves]} if halves else None


def across_antimeridian(bbox: Iterable[float] | None) -> dict[str, Any] | None:
    """The two halves of a bounding box whose west lies east of its east, as a MultiPolygon; None for any other.

    Raises `SearchError` for edges that are no numbers, or no place on earth.
    """
    edges = [float(edge) for edge in bbox or ()]
    if not edges:
        return None
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
    if west <= east:
        return None
    halves = ((west, _ANTIMERIDIAN), (-_ANTIMERIDIAN, east))
    return {
        "type": "MultiPolygon",
        "coordinates": [[_ring(left, south, right, north)] for left, right in halves],
    }


def _ring(west: float, south: float, east: float, north: float) -> list[list[float]]:
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]
