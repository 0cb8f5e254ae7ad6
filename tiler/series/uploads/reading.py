"""An upload of whatever kind to features and a report; what it is, its content says."""

import json
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

import shapely
from shapely.geometry import shape

from tiler.series.errors import SeriesRequestError, SeriesTooLargeError
from tiler.series.features import Feature, entries
from tiler.series.uploads.archives import unpack
from tiler.series.uploads.geopackage import read_geopackage
from tiler.series.uploads.layers import DEGREES, Drawn, Layer, UploadLimits, crs_beside, crs_of
from tiler.series.uploads.markup import read_markup
from tiler.series.uploads.placing import place
from tiler.series.uploads.shapefiles import read_shapefile
from tiler.series.uploads.tables import is_table, read_points

KINDS = "GeoJSON, a zipped shapefile, GeoPackage, KML, KMZ, GPX or CSV with longitude and latitude"
_SHAPEFILE = b"\x00\x00\x27\x0a"
_SQLITE = b"SQLite format 3\x00"
_TABLES = (".csv", ".tsv", ".txt")
_MARK = b"\xef\xbb\xbf"
_MOST_XML = 10_000_000


def read_upload(files: Mapping[str, bytes], limits: UploadLimits) -> tuple[tuple[Feature, ...], dict[str, Any]]:
    """Features of the one layer that `files` (by name) hold, in degrees, and the report of what was done to them.

    Raises `SeriesRequestError`, naming what can be read, or `SeriesTooLargeError` with the numbers.
    """
    inside = unpack(files, limits)
    readers = {name: reader for name, content in inside.items() if (reader := _reader(name, content)) is not None}
    if len(readers) != 1:
        held = ", ".join(repr(name[:40]) for name in sorted(readers or inside)[:10]) or "nothing"
        what = "several layers" if readers else "nothing that can be read"
        if not readers and PurePosixPath(next(iter(inside), "")).suffix.lower() in _TABLES:
            what = "no column that is called longitude, lon or x"
        raise SeriesRequestError(f"the upload holds {what} ({held}): send one of {KINDS}")
    ((name, reader),) = readers.items()
    layer = reader(inside, name, limits)
    vertices = sum(int(shapely.get_num_coordinates(f.geometry)) for f in layer.features if f.geometry is not None)
    limits.check_features(len(layer.features))
    limits.check_vertices(vertices)
    return place(layer, limits)


_Reader = Callable[[Mapping[str, bytes], str, UploadLimits], Layer]


def _reader(name: str, content: bytes) -> _Reader | None:
    """What can read the file; None for one that holds no places, such as the parts beside a .shp."""
    suffix = PurePosixPath(name).suffix.lower()
    start = content.removeprefix(_MARK)[:64].lstrip()
    if content.startswith(_SHAPEFILE):
        return None if suffix == ".shx" else read_shapefile
    if content.startswith(_SQLITE):
        return lambda files, one, limits: read_geopackage(files[one], one, limits)
    if start.startswith(b"<") and suffix not in (".xml", ".html", ".qml", ".qmd"):
        return _markup
    if start.startswith(b"{") and suffix not in (".qmd", ".qix"):
        return _geojson
    if suffix in ("", *_TABLES) and is_table(content):
        return lambda files, one, limits: read_points(files[one], one, limits, crs_beside(files, one))
    return None


def _markup(files: Mapping[str, bytes], name: str, limits: UploadLimits) -> Layer:
    if len(files[name]) > _MOST_XML:
        raise SeriesTooLargeError(
            f"{name} has {len(files[name])} bytes of XML: at most {_MOST_XML}, send fewer features"
        )
    return read_markup(files[name], name, limits)


def _geojson(files: Mapping[str, bytes], name: str, limits: UploadLimits) -> Layer:
    """GeoJSON as RFC 7946 has it, or of 2008 with a coordinate system named in `crs`."""
    try:
        document = json.loads(files[name])
    except (ValueError, RecursionError) as error:
        raise SeriesRequestError(f"{name} is no JSON: {str(error)[:200]}") from error
    found = entries(document)
    limits.check_features(len(found))
    said = document.get("crs")
    crs = DEGREES if said is None else crs_of(_crs_name(said), name)
    features = [_drawn(entry, position) for position, entry in enumerate(found)]
    return Layer(format="GeoJSON", name=name, crs=crs, features=features)


def _crs_name(said: Any) -> str:
    properties = said.get("properties") if isinstance(said, dict) else None
    return str(properties.get("name")) if isinstance(properties, dict) else str(said)


def _drawn(entry: Any, position: int) -> Drawn:
    if not isinstance(entry, dict):
        raise SeriesRequestError(f"feature {position} is no GeoJSON Feature")
    properties = entry.get("properties")
    attributes = properties if isinstance(properties, dict) else {}
    given = entry.get("id")
    identity = str(given) if isinstance(given, str | int) else None
    try:
        geometry = shape(entry.get("geometry"))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, shapely.errors.ShapelyError) as error:
        flaw = f"its coordinates are malformed ({str(error)[:100]})"
        return Drawn(geometry=None, attributes=attributes, id=identity, flaw=flaw)
    return Drawn(geometry=geometry, attributes=attributes, id=identity)
