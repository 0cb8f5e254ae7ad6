"""Tables of points: CSV as spreadsheets of any language write it."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from pyproj import CRS
from shapely.geometry import Point

from tiler.series.errors import SeriesRequestError
from tiler.series.uploads.layers import Drawn, Layer, UploadLimits

_LONGITUDES = ("lon", "long", "lng", "longitude", "x", "lon_dd", "point_x", "coord_x", "x_coord", "decimallongitude")
_LATITUDES = ("lat", "latitude", "y", "lat_dd", "point_y", "coord_y", "y_coord", "decimallatitude")
_SEPARATORS = (",", ";", "\t", "|")


def read_points(content: bytes, name: str, limits: UploadLimits, crs: CRS | None = None) -> Layer:
    """A point for each line, from the columns whose names say longitude and latitude; raises `SeriesRequestError`."""
    text = _decoded(content)
    header = text.partition("\n")[0]
    separator = max(_SEPARATORS, key=header.count)
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if any(row)]
    except csv.Error as error:
        raise SeriesRequestError(f"{name} is no readable CSV ({error})") from error
    names = [column.strip() for column in rows[0]] if rows else []
    across, up = _column(names, _LONGITUDES, name), _column(names, _LATITUDES, name)
    limits.check_features(len(rows) - 1)
    features = [_drawn(names, row, across, up) for row in rows[1:]]
    return Layer(format="CSV", name=name, crs=crs, features=features)


def is_table(content: bytes) -> bool:
    """Whether the first line names a longitude."""
    names = _decoded(content[:10_000]).partition("\n")[0]
    cells = [cell.strip(' "\r').lower() for separator in _SEPARATORS for cell in names.split(separator)]
    return any(cell in _LONGITUDES for cell in cells)


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def _column(names: Sequence[str], wanted: Sequence[str], name: str) -> int:
    lower = [one.lower() for one in names]
    for one in wanted:
        if one in lower:
            return lower.index(one)
    shown = ", ".join(names[:20])[:200]
    raise SeriesRequestError(
        f"{name}: no column is called {', '.join(wanted[:4])} or the like among {shown!r}: rename one"
    )


def _drawn(names: Sequence[str], row: Sequence[str], across: int, up: int) -> Drawn:
    cells = dict(zip(names, row, strict=False))
    attributes = {key: _value(cell) for key, cell in cells.items() if key not in (names[across], names[up], "")}
    try:
        place = Point(_number(row[across]), _number(row[up]))
    except (ValueError, IndexError):
        return Drawn(geometry=None, attributes=attributes, flaw=_flaw(row, across, up))
    return Drawn(geometry=place, attributes=attributes)


def _flaw(row: Sequence[str], across: int, up: int) -> str:
    here = [row[at].strip()[:30] if at < len(row) else "" for at in (across, up)]
    if not any(here):
        return "it has no longitude and latitude"
    return f"{here[0]!r}, {here[1]!r} is no longitude and latitude: write degrees as 105.25 or 105,25"


def _number(text: str) -> float:
    """With a decimal point or a decimal comma."""
    return float(text.strip().replace(",", "."))


def _value(text: str) -> Any:
    """Numbers as such, but for those whose leading zero makes them codes."""
    stripped = text.strip()
    if not stripped:
        return None
    digits = stripped.lstrip("+-")
    if digits[:1].isdigit() and not (digits.startswith("0") and digits[1:2].isdigit()):
        for kind in (int, float):
            try:
                return kind(stripped)
            except ValueError:
                continue
    return stripped
