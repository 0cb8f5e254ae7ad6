"""Where the tiles of the Sentinel-2 tiling grid lie, in metres of their UTM zones."""

from math import ceil, floor

from pyproj import Transformer

from stac.naming import Tile

EXTENT = 109_800
"""Side of a Sentinel-2 tile in metres: 10980 pixels of 10 m."""

LATITUDE_BANDS = "CDEFGHJKLMNPQRSTUVWX"
"""MGRS latitude bands of 8 degrees from 80 degrees south."""

_SNAP = 60
_SQUARE = 100_000
_SOUTH = 10_000_000
_COLUMNS = ("ABCDEFGH", "JKLMNPQR", "STUVWXYZ")
_ROWS = "ABCDEFGHJKLMNPQRSTUV"


def tile_origin(tile: Tile) -> tuple[int, int]:
    """Upper-left corner (easting, northing) in metres of a Sentinel-2 tile.

    The corner of the 100 km MGRS square, moved outwards to the next multiple of 60 m counted from the equator:
    ESA's tiling grid, checked against the `Geoposition` of real products. Square letters: NGA.STND.0037 (MGRS).
    """
    easting, northing = _square_corner(tile)
    base = 0 if tile.band >= "N" else _SOUTH
    top = northing + _SQUARE - base
    return floor(easting / _SNAP) * _SNAP, ceil(top / _SNAP) * _SNAP + base


def _square_corner(tile: Tile) -> tuple[int, int]:
    """Lower-left corner (easting, northing) in metres of the tile's 100 km MGRS square."""
    column, row = tile.square[0], tile.square[1]
    easting = (_COLUMNS[(tile.zone - 1) % 3].index(column) + 1) * _SQUARE
    remainder = ((_ROWS.index(row) - (0 if tile.zone % 2 else 5)) % 20) * _SQUARE
    # Row letters repeat every 2000 km: the latitude band's own northing tells which repetition is meant.
    bottom = _band_northing(tile) - _SQUARE
    return easting, ceil((bottom - remainder) / (20 * _SQUARE)) * 20 * _SQUARE + remainder


def _band_northing(tile: Tile) -> int:
    latitude = -80 + 8 * LATITUDE_BANDS.index(tile.band)
    north = Transformer.from_crs(4326, tile.epsg, always_xy=True).transform(tile.zone * 6 - 183, latitude)[1]
    return floor(float(north))
