"""The ground a sample tile covers: its true place on the Sentinel-2 tiling grid, with fewer pixels."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio import Affine

from ingest.tiling import EXTENT, tile_origin
from stac.naming import Tile


@dataclass(frozen=True)
class Grid:
    """Pixel centres of a north-up raster: UTM eastings `x` (columns,) and northings `y` (rows,) in metres."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, columns."""
        return self.y.size, self.x.size

    def shifted(self, dx: float, dy: float) -> Self:
        """The same raster moved by `dx`, `dy` metres."""
        return type(self)(self.x + dx, self.y + dy)


@dataclass(frozen=True, kw_only=True)
class TileGrid:
    """A tile divided into `size` x `size` pixels in its "10 m" bands; 10980 is the real size."""

    tile: str
    size: int

    @cached_property
    def mgrs(self) -> Tile:
        """The parsed tile name."""
        return Tile.parse(self.tile)

    @property
    def epsg(self) -> int:
        """EPSG code of the tile's UTM projection."""
        return self.mgrs.epsg

    @cached_property
    def origin(self) -> tuple[int, int]:
        """Upper-left corner (easting, northing) in metres, as in the real products."""
        return tile_origin(self.mgrs)

    def count(self, gsd: int) -> int:
        """Pixels per side of the bands of nominal resolution `gsd` (10, 20 or 60 m)."""
        return self.size * 10 // gsd

    def pixel(self, gsd: int) -> float:
        """Real side in metres of a pixel of nominal resolution `gsd`."""
        return EXTENT / self.count(gsd)

    def transform(self, gsd: int) -> Affine:
        """Pixel corner to UTM metres for the bands of nominal resolution `gsd`."""
        return corner_transform(self.origin, self.pixel(gsd))

    def grid(self, gsd: int, rows: slice | None = None) -> Grid:
        """Pixel centres of the bands of nominal resolution `gsd`, all rows or the given ones."""
        return centres(self.origin, self.pixel(gsd), self.count(gsd), rows)

    def to_lonlat(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """UTM points (n, 2) as longitude, latitude in degrees (n, 2)."""
        lon, lat = _transformer(self.epsg).transform(points[:, 0], points[:, 1])
        return np.stack([lon, lat], axis=1)

    @property
    def centre(self) -> tuple[float, float]:
        """Longitude and latitude of the tile's centre in degrees."""
        ulx, uly = self.origin
        lon, lat = self.to_lonlat(np.array([[ulx + EXTENT / 2, uly - EXTENT / 2]]))[0]
        return float(lon), float(lat)


def corner_transform(origin: tuple[int, int], pixel: float) -> Affine:
    """North-up transform with square pixels of `pixel` metres from the upper-left corner `origin`."""
    return Affine(pixel, 0, origin[0], 0, -pixel, origin[1])


def centres(origin: tuple[int, int], pixel: float, count: int, rows: slice | None = None) -> Grid:
    """Pixel centres of a square raster of `count` pixels per side, or of some of its rows."""
    steps = (np.arange(count, dtype=np.float64) + 0.5) * np.float64(pixel)
    return Grid(origin[0] + steps, origin[1] - steps[rows or slice(None)])


def _transformer(epsg: int) -> Transformer:
    return Transformer.from_crs(epsg, 4326, always_xy=True)
