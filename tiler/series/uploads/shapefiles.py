"""Shapefiles, by pyshp, from memory."""

import codecs
import io
import struct
from collections.abc import Mapping
from datetime import date
from pathlib import PurePosixPath
from typing import Any

import shapefile
import shapely
from shapely.geometry import shape

from tiler.series.errors import SeriesRequestError
from tiler.series.uploads.layers import Drawn, Layer, UploadLimits, crs_beside

_BROKEN = (
    shapefile.ShapefileException, shapefile.GeoJSON_Error, shapefile.RingSamplingError, shapely.errors.ShapelyError,
    struct.error, ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, EOFError, OSError,
    AssertionError,
)  # fmt: skip


def read_shapefile(files: Mapping[str, bytes], name: str, limits: UploadLimits) -> Layer:
    """The shapefile called `name` (its .shp) with the parts that stand beside it; raises `SeriesRequestError`."""
    parts = _parts(files, name)
    crs = crs_beside(files, name)
    declared = 2 * int.from_bytes(files[name][24:28])
    if declared != len(files[name]):
        raise SeriesRequestError(f"{name} has {len(files[name])} bytes and says {declared}: damaged, export it again")
    try:
        features = _read(parts, limits)
    except _BROKEN as error:
        raise SeriesRequestError(f"{name} is no readable shapefile ({str(error)[:100]}): export it again") from error
    return Layer(format="shapefile", name=PurePosixPath(name).stem, crs=crs, features=features)


def _parts(files: Mapping[str, bytes], name: str) -> dict[str, bytes]:
    stem = PurePosixPath(name).stem.lower()
    paths = {PurePosixPath(other): content for other, content in files.items()}
    return {path.suffix.lower(): content for path, content in paths.items() if path.stem.lower() == stem}


def _read(parts: Mapping[str, bytes], limits: UploadLimits) -> list[Drawn]:
    """Text as the .cpg says, else as UTF-8, else as Windows wrote it."""
    said = _codec(parts.get(".cpg", b"").decode("ascii", "replace").strip())
    for encoding in (*([said] if said else []), "utf-8"):
        try:
            return _read_as(parts, limits, encoding)
        except (UnicodeDecodeError, shapefile.dbfFileException):
            continue
    return _read_as(parts, limits, "latin-1")


def _codec(name: str) -> str | None:
    wanted = f"cp{name}" if name.isdigit() else name
    try:
        return codecs.lookup(wanted).name if wanted else None
    except (LookupError, ValueError):
        return None


def _read_as(parts: Mapping[str, bytes], limits: UploadLimits, encoding: str) -> list[Drawn]:
    streams = {part[1:]: io.BytesIO(parts[part]) for part in (".shp", ".shx", ".dbf") if part in parts}
    with shapefile.Reader(**streams, encoding=encoding) as reader:
        limits.check_features(len(reader))
        vertices, found = 0, []
        for position in range(len(reader)):
            drawn = reader.shape(position)
            vertices += len(getattr(drawn, "points", ()) or ())
            limits.check_vertices(vertices)
            attributes = reader.record(position).as_dict() if "dbf" in streams else {}
            found.append(_drawn(drawn, {name: _plain(value) for name, value in attributes.items()}))
    return found


def _drawn(drawn: Any, attributes: Mapping[str, Any]) -> Drawn:
    if drawn.shapeType == shapefile.NULL or not drawn.points:
        return Drawn(geometry=None, attributes=attributes, flaw="it has no geometry")
    return Drawn(geometry=shapely.force_2d(shape(drawn.__geo_interface__)), attributes=attributes)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("latin-1").strip()
    return value.isoformat() if isinstance(value, date) else value
