"""Geometry to pixel weights on a grid, computed once per request, part and grid, and used for every date."""

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
import shapely
from affine import Affine
from exactextract import exact_extract
from exactextract.raster import NumPyRasterSource
from numpy.typing import NDArray
from rasterio.features import rasterize
from shapely.geometry.base import BaseGeometry

from tiler.series.grid import Grid, Window
from tiler.series.request import PixelRule


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """How much of each pixel in `window` (within the grid) a geometry covers: `weights` (rows, columns), 0..1.

    `outside` is the weight of pixels that would lie beyond the grid.
    """

    window: Window
    weights: NDArray[np.float64]
    outside: float = 0.0

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Pixels with any weight, same shape as `weights`."""
        return self.weights > 0

    @cached_property
    def places(self) -> NDArray[np.intp]:
        """Where the pixels with any weight are in the flattened window; worked out once for all dates."""
        return np.flatnonzero(self.weights)

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """Weights of the pixels at `places`."""
        return self.weights.reshape(-1)[self.places]

    @property
    def total(self) -> float:
        """Weight within and beyond the grid."""
        return float(self.weights.sum()) + self.outside


def cover(geometry: BaseGeometry, grid: Grid, rule: PixelRule) -> Coverage:
    """Weights of `geometry` (metres of the grid's zone) on `grid`; points weigh 1 per distinct pixel."""
    if geometry.is_empty:
        return Coverage(window=Window(top=0, left=0, bottom=0, right=0), weights=np.zeros((0, 0)))
    if geometry.geom_type in ("Point", "MultiPoint"):
        window, weights = _of_points(geometry, grid)
    else:
        window = _window(geometry, grid)
        weights = _exact(geometry, grid, window) if rule == "exact" else _drawn(geometry, grid, window, rule)
    return _clipped(window, weights, grid)


class Coverages:
    """Coverages already computed for one request, shared by the threads that read for it."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Coverage] = {}
        self._lock = Lock()

    def of(self, key: Hashable, make: Any) -> Coverage:
        """The coverage known as `key`, made by `make()` on first use."""
        with self._lock:
            if key not in self._known:
                self._known[key] = make()
            return self._known[key]


def _window(geometry: BaseGeometry, grid: Grid) -> Window:
    west, south, east, north = geometry.bounds
    top, left = grid.pixel(west, north)
    bottom, right = grid.pixel(east, south)
    return Window(top=top, left=left, bottom=bottom + 1, right=right + 1)


def _corner(grid: Grid, window: Window) -> tuple[float, float]:
    return grid.left + window.left * grid.size, grid.top - window.top * grid.size


def _of_points(geometry: BaseGeometry, grid: Grid) -> tuple[Window, NDArray[np.float64]]:
    places = [grid.pixel(x, y) for x, y in shapely.get_coordinates(geometry)]
    rows, columns = np.array(places).T
    window = Window(
        top=int(rows.min()), left=int(columns.min()), bottom=int(rows.max()) + 1, right=int(columns.max()) + 1
    )
    weights = np.zeros(window.shape)
    weights[rows - window.top, columns - window.left] = 1.0
    return window, weights


def _exact(geometry: BaseGeometry, grid: Grid, window: Window) -> NDArray[np.float64]:
    rows, columns = window.shape
    left, top = _corner(grid, window)
    raster = NumPyRasterSource(
        np.zeros((rows, columns), dtype=np.uint8),
        xmin=left, ymin=top - rows * grid.size, xmax=left + columns * grid.size, ymax=top,
    )  # fmt: skip
    feature = {"type": "Feature", "geometry": shapely.geometry.mapping(geometry), "properties": {}}
    found = exact_extract(raster, [feature], ["coverage", "cell_id"])[0]["properties"]
    weights = np.zeros(rows * columns)
    weights[np.asarray(found["cell_id"], dtype=np.int64)] = found["coverage"]
    return weights.reshape(rows, columns)


def _drawn(geometry: BaseGeometry, grid: Grid, window: Window, rule: PixelRule) -> NDArray[np.float64]:
    left, top = _corner(grid, window)
    transform = Affine(grid.size, 0.0, left, 0.0, -grid.size, top)
    drawn = rasterize([geometry], out_shape=window.shape, transform=transform, all_touched=rule == "touched")
    return np.asarray(drawn, dtype=np.float64)


def _clipped(window: Window, weights: NDArray[np.float64], grid: Grid) -> Coverage:
    kept = Window(
        top=min(max(window.top, 0), grid.height),
        left=min(max(window.left, 0), grid.width),
        bottom=max(min(window.bottom, grid.height), 0),
        right=max(min(window.right, grid.width), 0),
    )
    if kept == window:
        return Coverage(window=window, weights=weights)
    rows = slice(kept.top - window.top, max(kept.top, kept.bottom) - window.top)
    columns = slice(kept.left - window.left, max(kept.left, kept.right) - window.left)
    inside = weights[rows, columns]
    return Coverage(window=kept, weights=inside, outside=float(weights.sum() - inside.sum()))
