"""KML and GPX, by defusedxml: no document type, no entities, nothing fetched."""

from collections.abc import Iterator, Sequence
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from shapely.errors import ShapelyError
from shapely.geometry import MultiPoint, MultiPolygon, Point, Polygon
from shapely.geometry.base import BaseGeometry

from tiler.series.errors import SeriesRequestError
from tiler.series.uploads.layers import DEGREES, Drawn, Layer, UploadLimits

_KML_LINES = ("LineString", "LinearRing", "Track", "Model")
_GPX_NAMES = ("name", "desc", "cmt", "ele", "time", "sym", "type")
_CORNERS = 3
_DEEPEST = 8


def read_markup(content: bytes, name: str, limits: UploadLimits) -> Layer:
    """The places of a KML or GPX file, which are in WGS 84 by definition; raises `SeriesRequestError`."""
    try:
        root = fromstring(content, forbid_dtd=True)
        kind = _local(root)
        found = list(_READERS.get(kind, _neither)(root))
        limits.check_features(len(found))
        features = [_drawn(element, limits) for element in found]
    except SeriesRequestError:
        raise
    except (
        ParseError,
        DefusedXmlException,
        ShapelyError,
        ValueError,
        LookupError,
        OverflowError,
        RecursionError,
    ) as error:
        raise SeriesRequestError(
            f"{name} is no readable KML or GPX ({str(error)[:100] or type(error).__name__})"
        ) from error
    return Layer(format=kind.upper(), name=name, crs=DEGREES, features=features)


def _local(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _children(element: Element, *names: str) -> Iterator[Element]:
    return (child for child in element if _local(child) in names)


def _text(element: Element, name: str) -> str:
    return next((child.text or "" for child in _children(element, name)), "").strip()


def _placemarks(root: Element) -> Iterator[Element]:
    return (element for element in root.iter() if _local(element) == "Placemark")


def _gpx_places(root: Element) -> Iterator[Element]:
    """Waypoints are points; a track or route is taken for the outline that was walked."""
    return _children(root, "wpt", "trk", "rte")


def _neither(root: Element) -> Iterator[Element]:
    raise SeriesRequestError(f"XML of type {_local(root)[:40]!r} is neither KML nor GPX")


_READERS = {"kml": _placemarks, "gpx": _gpx_places}


def _drawn(element: Element, limits: UploadLimits) -> Drawn:
    kind = _local(element)
    if kind == "Placemark":
        return _placemark(element, limits)
    attributes = {name: text for name in _GPX_NAMES if (text := _text(element, name))}
    if kind == "wpt":
        return Drawn(geometry=_gpx_point(element), attributes=attributes)
    legs = list(_children(element, "trkseg")) if kind == "trk" else [element]
    rings = [[_gpx_point(point) for point in _children(leg, "trkpt", "rtept")] for leg in legs]
    outlines = [Polygon(ring) for ring in rings if len(ring) >= _CORNERS]
    if not outlines:
        return Drawn(geometry=None, attributes=attributes, flaw="a track of fewer than three points is no outline")
    done = (f"{'track' if kind == 'trk' else 'route'} closed: taken for an outline",)
    return Drawn(geometry=_one(outlines), attributes=attributes, done=done)


def _gpx_point(element: Element) -> Point:
    return Point(float(element.attrib.get("lon", "nan")), float(element.attrib.get("lat", "nan")))


def _placemark(element: Element, limits: UploadLimits) -> Drawn:
    attributes = _kml_attributes(element)
    parts = list(_kml_parts(element, _DEEPEST))
    limits.check_vertices(sum(len(part.exterior.coords) for part in parts if isinstance(part, Polygon)))
    polygons = [part for part in parts if isinstance(part, Polygon)]
    points = [part for part in parts if isinstance(part, Point)]
    identity = element.attrib.get("id")
    if polygons and points:
        done = (f"{len(points)} points beside an area left out",)
        return Drawn(geometry=_one(polygons), attributes=attributes, id=identity, done=done)
    if not parts:
        held = next((_local(child) for child in element.iter() if _local(child) in _KML_LINES), None)
        flaw = f"a {held} is neither point nor area: draw a polygon" if held else "it has no geometry"
        return Drawn(geometry=None, attributes=attributes, flaw=flaw)
    geometry = _one(polygons) if polygons else points[0] if len(points) == 1 else MultiPoint(points)
    return Drawn(geometry=geometry, attributes=attributes, id=identity)


def _one(polygons: Sequence[Polygon]) -> BaseGeometry:
    return polygons[0] if len(polygons) == 1 else MultiPolygon(polygons)


def _kml_parts(element: Element, depth: int) -> Iterator[Point | Polygon]:
    for child in element:
        kind = _local(child)
        if kind == "Point":
            yield from (Point(place) for place in _coordinates(child))
        elif kind == "Polygon":
            rings = [_ring(boundary) for boundary in _children(child, "outerBoundaryIs", "innerBoundaryIs")]
            if rings and len(rings[0]) >= _CORNERS:
                yield Polygon(rings[0], [ring for ring in rings[1:] if len(ring) >= _CORNERS])
        elif kind == "MultiGeometry" and depth:
            yield from _kml_parts(child, depth - 1)


def _ring(boundary: Element) -> list[tuple[float, float]]:
    return next((_coordinates(ring) for ring in _children(boundary, "LinearRing")), [])


def _coordinates(element: Element) -> list[tuple[float, float]]:
    """`lon,lat[,height]`, separated by white space."""
    found = []
    for place in _text(element, "coordinates").split():
        lon, lat, *_ = place.split(",")
        found.append((float(lon), float(lat)))
    return found


def _kml_attributes(element: Element) -> dict[str, Any]:
    attributes: dict[str, Any] = {name: text for name in ("name", "description") if (text := _text(element, name))}
    for extended in _children(element, "ExtendedData"):
        for entry in extended.iter():
            if _local(entry) == "Data":
                attributes[entry.attrib.get("name", "")] = _text(entry, "value")
            elif _local(entry) == "SimpleData":
                attributes[entry.attrib.get("name", "")] = (entry.text or "").strip()
    return attributes
