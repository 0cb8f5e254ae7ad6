"""GeoPackages (OGC 12-128r19), by SQLite, from memory: one table is read, and nothing else can be."""

import sqlite3
from contextlib import closing
from typing import Any

import shapely
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from tiler.series.errors import SeriesRequestError
from tiler.series.uploads.layers import Drawn, Layer, UploadLimits, crs_of

_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_PRAGMA}
_PRAGMAS = ("table_info",)
_FUNCTIONS = ("count",)
_STEPS = 1_000
_MOST_CALLS = 200_000
_HEADER = 8
_ENVELOPES = {0: 0, 1: 32, 2: 48, 3: 48, 4: 64}
_EMPTY = 0x10


def read_geopackage(content: bytes, name: str, limits: UploadLimits) -> Layer:
    """The only feature table of a GeoPackage; raises `SeriesRequestError` where there are several or none."""
    try:
        with closing(_opened(content)) as connection:
            table = _table(connection, name)
            return _read(connection, table, name, limits)
    except SeriesRequestError:
        raise
    except (sqlite3.Error, shapely.errors.ShapelyError, ValueError, OverflowError, IndexError) as error:
        raise SeriesRequestError(f"{name} is no readable GeoPackage ({str(error)[:100]}): export it again") from error


def _opened(content: bytes) -> sqlite3.Connection:
    """A copy in memory that can only be read, and not for ever."""
    connection = sqlite3.connect(":memory:")
    # Bytes 18 and 19 say that a log stands beside the file, which would be looked for on the disk.
    connection.deserialize(content[:18] + b"\x01\x01" + content[20:])
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.text_factory = lambda text: text.decode("utf-8", "replace")
    calls = iter(range(_MOST_CALLS))
    connection.set_progress_handler(lambda: next(calls, None) is None, _STEPS)
    connection.set_authorizer(_authorise)
    return connection


def _authorise(action: int, first: str | None, second: str | None, _: str | None, __: str | None) -> int:
    allowed = action in _ALLOWED
    if action == sqlite3.SQLITE_PRAGMA:
        allowed = first in _PRAGMAS
    elif action == sqlite3.SQLITE_FUNCTION:
        allowed = second in _FUNCTIONS
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def _table(connection: sqlite3.Connection, name: str) -> str:
    rows = connection.execute("SELECT table_name FROM gpkg_contents WHERE data_type = 'features'").fetchmany(100)
    tables = [str(row[0]) for row in rows]
    if len(tables) != 1:
        held = ", ".join(repr(table[:40]) for table in tables[:10]) or "none"
        raise SeriesRequestError(f"{name} holds {len(tables)} layers ({held}): save the one that is wanted by itself")
    kind = connection.execute("SELECT type, sql FROM sqlite_master WHERE name = ?", tables).fetchone()
    if kind is None or kind[0] != "table" or "VIRTUAL" in str(kind[1]).upper().split("(")[0]:
        raise SeriesRequestError(f"{name}: layer {tables[0][:40]!r} is no table: save it as one")
    return tables[0]


def _read(connection: sqlite3.Connection, table: str, name: str, limits: UploadLimits) -> Layer:
    found = connection.execute(
        "SELECT column_name, srs_id FROM gpkg_geometry_columns WHERE table_name = ?", (table,)
    ).fetchone()
    if found is None:
        raise SeriesRequestError(f"{name}: layer {table[:40]!r} has no geometry column")
    column, srs = str(found[0]), found[1]
    quoted = '"' + table.replace('"', '""') + '"'
    limits.check_features(connection.execute(f"SELECT count(*) FROM {quoted}").fetchone()[0])  # noqa: S608 - quoted
    cursor = connection.execute(f"SELECT * FROM {quoted}")  # noqa: S608 - quoted, from the file's own table
    names = [str(entry[0]) for entry in cursor.description]
    vertices, features = 0, []
    for row in cursor:
        values = dict(zip(names, row, strict=True))
        drawn = _drawn(values.pop(column, None), values)
        vertices += 0 if drawn.geometry is None else int(shapely.get_num_coordinates(drawn.geometry))
        limits.check_vertices(vertices)
        features.append(drawn)
    return Layer(format="GeoPackage", name=table, crs=_crs(connection, srs, name), features=features)


def _crs(connection: sqlite3.Connection, srs: Any, name: str) -> CRS | None:
    """None for the two codes that mean undefined."""
    if srs in (0, -1, None):
        return None
    found = connection.execute(
        "SELECT organization, organization_coordsys_id, definition FROM gpkg_spatial_ref_sys WHERE srs_id = ?", (srs,)
    ).fetchone()
    if found is None:
        raise SeriesRequestError(f"{name}: coordinate system {srs} is not defined in the file")
    by_code = str(found[0]).upper() == "EPSG"
    return crs_of(f"EPSG:{int(found[1])}" if by_code else str(found[2]), name)


def _drawn(blob: Any, values: dict[str, Any]) -> Drawn:
    attributes = {name: value for name, value in values.items() if not isinstance(value, bytes)}
    if not isinstance(blob, bytes) or len(blob) < _HEADER or blob[3] & _EMPTY:
        return Drawn(geometry=None, attributes=attributes, flaw="it has no geometry")
    return Drawn(geometry=_geometry(blob), attributes=attributes)


def _geometry(blob: bytes) -> BaseGeometry:
    """A geometry after the header of 2.1.3: `GP`, version, flags, srs_id, envelope, WKB."""
    envelope = _ENVELOPES.get(blob[3] >> 1 & 0b111)
    if blob[:2] != b"GP" or envelope is None:
        raise ValueError("a geometry is not in GeoPackage's form")
    return shapely.force_2d(shapely.from_wkb(blob[_HEADER + envelope :]))
