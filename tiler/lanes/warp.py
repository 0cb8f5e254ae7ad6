"""From a Web Mercator tile to the pixels of an image on a UTM grid, by nearest neighbour. Pure, in numpy.

The projection is computed at 17 x 17 nodes of the tile and interpolated between them, linearly: the error grows with
the square of their distance and stays below a hundredth of a pixel from zoom 7 on (GDAL's own warp allows an eighth).
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from tiler.series.grid import Grid, Window

_HALF = math.pi * 6378137.0
"""Metres from the middle of the Web Mercator square to its edge."""
_NODES = 16
_COARSER = 1.2
"""How many times as wide as the tile's the pixels of an overview may be: GDAL's own limit."""
_MARGIN = 20
"""Pixels that GDAL reads beyond a tile, those on both sides together, and counts as if they were the tile's."""

type Bounds = tuple[float, float, float, float]
"""Left, bottom, right, top."""


@dataclass(frozen=True, kw_only=True)
class Gather:
    """Where the pixels of a tile come from: `window` of an image, and `places` in it, counted row by row.

    `outside` marks pixels of the tile that lie beside the image; their places mean nothing. None: there are none.
    """

    window: Window
    places: NDArray[np.intp]
    outside: NDArray[np.bool_] | None


def bounds(zoom: int, column: int, row: int) -> Bounds:
    """The square of a tile in metres of Web Mercator."""
    side = 2 * _HALF / 2**zoom
    left, top = column * side - _HALF, _HALF - row * side
    return left, top - side, left + side, top


def degrees(square: Bounds) -> Bounds:
    """The same in longitudes and latitudes: exact, since meridians and parallels are straight in Web Mercator."""
    west, east = (x / _HALF * 180 for x in (square[0], square[2]))
    south, north = (math.degrees(math.atan(math.sinh(y / _HALF * math.pi))) for y in (square[1], square[3]))
    return west, south, east, north


@lru_cache(maxsize=16)
def pixels(grid: Grid, square: Bounds, side: int) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Rows and columns of `grid`, with fractions, at the centres of a tile's pixels; (side, side) each.

    And how many pixels of the grid a pixel of the tile is wide, on average.
    """
    left, bottom, right, top = square
    across, down = np.linspace(left, right, _NODES + 1), np.linspace(top, bottom, _NODES + 1)
    x, y = _projection(grid.epsg).transform(*np.meshgrid(across, down))
    columns, rows = (x - grid.left) / grid.size, (grid.top - y) / grid.size
    ratio = float(np.hypot(columns[:, -1] - columns[:, 0], rows[:, -1] - rows[:, 0]).mean()) / side
    return _between(rows, side), _between(columns, side), ratio


def level(ratio: float, side: int, widths: list[int]) -> int:
    """Which of the images of `widths` (full resolution first) is read for a tile of `side` pixels of width `ratio`.

    That is the coarsest that is not much coarser than the tile: the one that GDAL's warp takes, found by trying.
    """
    chosen = 0
    for number, width in enumerate(widths):
        if widths[0] / width < (ratio + _MARGIN / side) * _COARSER:
            chosen = number
    return chosen


def gather(grid: Grid, square: Bounds, side: int, shape: tuple[int, int]) -> Gather | None:
    """Where the pixels of a tile lie in the overview of `shape` of an image on `grid`; None if all lie beside it."""
    rows, columns, _ = pixels(grid, square, side)
    height, width = shape
    row, column = (np.floor(rows * (height / grid.height)), np.floor(columns * (width / grid.width)))
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    whole = bool(inside.all())
    if not whole:
        if not inside.any():
            return None
        row, column = np.where(inside, row, row[inside][0]), np.where(inside, column, column[inside][0])
    window = Window(int(row.min()), int(column.min()), int(row.max()) + 1, int(column.max()) + 1)
    places = (row - window.top) * (window.right - window.left) + (column - window.left)
    return Gather(window=window, places=places.astype(np.intp), outside=None if whole else ~inside)


@lru_cache(maxsize=256)
def _projection(epsg: int) -> Transformer:
    return Transformer.from_crs(3857, epsg, always_xy=True)


def _between(nodes: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Values at the centres of `side` x `side` pixels, linear between those at the nodes of their square.

    Not as products of matrices, for which BLAS would wake threads: on a busy machine these take ten milliseconds.
    """
    place = (np.arange(side) + 0.5) / side * _NODES
    first = place.astype(np.intp)
    share = place - first
    down = nodes[first] + (nodes[first + 1] - nodes[first]) * share[:, np.newaxis]
    across: NDArray[np.float64] = down[:, first] + (down[:, first + 1] - down[:, first]) * share
    return across
