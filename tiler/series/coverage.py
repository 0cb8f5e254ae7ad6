"""Geometry to pixel weights on a grid, computed once per request, part and grid, and used for every date."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Self
from weakref import WeakValueDictionary

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

_PACKED = 100_000
"""Pixels from which on a coverage that nobody uses just now is kept packed."""
_MARGIN = 2
"""Pixels around a part of a grid: an edge cut so far away changes no weight within."""


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


@dataclass(frozen=True, kw_only=True)
class Packed:
    """A large coverage in little memory: a bit for each pixel that is covered whole, a number where it is in part."""

    window: Window
    whole: NDArray[np.uint8]
    places: NDArray[np.intp]
    shares: NDArray[np.float64]
    outside: float

    @classmethod
    def of(cls, coverage: Coverage) -> Self:
        """The same, packed."""
        weights = coverage.weights.reshape(-1)
        whole = weights == 1
        places = np.flatnonzero((weights > 0) & ~whole)
        return cls(
            window=coverage.window,
            whole=np.packbits(whole),
            places=places,
            shares=weights[places],
            outside=coverage.outside,
        )

    def coverage(self) -> Coverage:
        """The coverage that was packed, to the bit."""
        rows, columns = self.window.shape
        weights = np.unpackbits(self.whole, count=rows * columns).astype(np.float64)
        weights[self.places] = self.shares
        return Coverage(window=self.window, weights=weights.reshape(rows, columns), outside=self.outside)


def cover(geometry: BaseGeometry, grid: Grid, rule: PixelRule, within: Window | None = None) -> Coverage:
    """Weights of `geometry` (metres of the grid's zone) on `grid`; points weigh 1 per distinct pixel.

    `within` limits an area to a part of the grid, which may lie partly beyond it.
    """
    if within is not None:
        geometry = _near(geometry, grid, within)
    if geometry.is_empty:
        return Coverage(window=Window(top=0, left=0, bottom=0, right=0), weights=np.zeros((0, 0)))
    if geometry.geom_type in ("Point", "MultiPoint"):
        window, weights = _of_points(geometry, grid)
    else:
        window = within or window_of(geometry, grid)
        weights = _exact(geometry, grid, window) if rule == "exact" else _drawn(geometry, grid, window, rule)
    return _clipped(window, weights, grid)


class Coverages:
    """Coverages already computed for one request, shared by the threads that read for it.

    Large ones are the same object as long as anybody uses them, and packed after that: the areas of a job may be many.
    """

    def __init__(self) -> None:
        self._known: dict[Hashable, Coverage | Packed] = {}
        self._used: WeakValueDictionary[Hashable, Coverage] = WeakValueDictionary()
        self._lock = Lock()

    def of(self, key: Hashable, make: Callable[[], Coverage]) -> Coverage:
        """The coverage known as `key`, made by `make()` on first use."""
        with self._lock:
            known = self._known.get(key)
            if isinstance(known, Coverage):
                return known
            found = self._used.get(key) or (make() if known is None else known.coverage())
            if found.weights.size < _PACKED:
                self._known[key] = found
                return found
            if known is None:
                self._known[key] = Packed.of(found)
            self._used[key] = found
            return found


def window_of(geometry: BaseGeometry, grid: Grid) -> Window:
    """The window that holds an area, which may lie partly beyond the grid."""
    west, south, east, north = geometry.bounds
    top, left = grid.pixel(west, north)
    bottom, right = grid.pixel(east, south)
    return Window(top=top, left=left, bottom=bottom + 1, right=right + 1)


def box_of(window: Window, grid: Grid, margin: int = 0) -> BaseGeometry:
    """The rectangle of a window, and so many pixels around it, in metres of the grid's zone."""
    left, top = _corner(grid, window)
    rows, columns = window.shape
    around = margin * grid.size
    right, bottom = left + columns * grid.size + around, top - rows * grid.size - around
    return shapely.box(left - around, bottom, right, top + around)


def _near(geometry: BaseGeometry, grid: Grid, window: Window) -> BaseGeometry:
    """What of an area lies in or about a window, so that its whole outline need not be walked for each."""
    parts = shapely.get_parts(shapely.intersection(geometry, box_of(window, grid, _MARGIN)))
    return shapely.union_all([part for part in parts if part.area > 0])


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


def clipped(window: Window, grid: Grid) -> Window:
    """What of a window lies within the grid."""
    return Window(
        top=min(max(window.top, 0), grid.height),
        left=min(max(window.left, 0), grid.width),
        bottom=max(min(window.bottom, grid.height), 0),
        right=max(min(window.right, grid.width), 0),
    )


def _clipped(window: Window, weights: NDArray[np.float64], grid: Grid) -> Coverage:
    kept = clipped(window, grid)
    if kept == window:
        return Coverage(window=window, weights=weights)
    rows = slice(kept.top - window.top, max(kept.top, kept.bottom) - window.top)
    columns = slice(kept.left - window.left, max(kept.left, kept.right) - window.left)
    inside = weights[rows, columns]
    return Coverage(window=kept, weights=inside, outside=float(weights.sum() - inside.sum()))
