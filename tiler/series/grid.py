"""Images as the catalogue describes them, and the fine grid on which their pixels meet."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import shapely
from shapely.geometry.base import BaseGeometry


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A north-up grid of square pixels of `size` metres; `left`, `top` is the outer corner of pixel (0, 0)."""

    epsg: int
    left: float
    top: float
    size: float
    height: int
    width: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.height, self.width

    @property
    def extent(self) -> BaseGeometry:
        """The rectangle that the grid covers, in metres of its zone."""
        right, bottom = self.left + self.width * self.size, self.top - self.height * self.size
        return shapely.box(self.left, bottom, right, self.top)

    def pixel(self, x: float, y: float) -> tuple[int, int]:
        """Row and column of the pixel that contains a place; may lie outside the grid."""
        return int((self.top - y) // self.size), int((x - self.left) // self.size)

    def fits(self, fine: "Grid") -> bool:
        """Whether `fine` is this grid, or its refinement."""
        return self is fine or self.refined(fine.size) == fine

    def refined(self, size: float) -> "Grid":
        """The same extent with pixels of `size` metres, which must divide this grid's."""
        factor = round(self.size / size)
        return Grid(
            epsg=self.epsg,
            left=self.left,
            top=self.top,
            size=self.size / factor,
            height=self.height * factor,
            width=self.width * factor,
        )


@lru_cache(maxsize=4096)
def coarsened(grid: Grid, factor: int) -> Grid:
    """The grid of whole pixels of `factor` times the size; the same object each time, as images share theirs."""
    return replace(grid, size=grid.size * factor, height=grid.height // factor, width=grid.width // factor)


class Window(NamedTuple):
    """Rows and columns of a grid, half open; a tuple, since it is looked up for every image."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return max(0, self.bottom - self.top), max(0, self.right - self.left)

    def coarsened(self, factor: int, grid: Grid, margin: int = 0) -> "Window":
        """The window of a `factor` times coarser `grid` that covers this one, with a margin that stays on the grid."""
        return Window(
            top=max(0, self.top // factor - margin),
            left=max(0, self.left // factor - margin),
            bottom=min(grid.height, -(-self.bottom // factor) + margin),
            right=min(grid.width, -(-self.right // factor) + margin),
        )


@dataclass(frozen=True, kw_only=True)
class Image:
    """A stored image: where it is, its grid, and `value = stored * scale + offset` where it is not `nodata`.

    What is read of it is the overview whose pixels are `overview` times as large as those stored in full (1: these
    themselves); `grid` is that of what is read.
    """

    key: str
    path: str
    grid: Grid
    scale: float = 1.0
    offset: float = 0.0
    nodata: float | None = None
    overview: int = 1

    @property
    def is_in_full(self) -> bool:
        """Whether it is read in full resolution, and not from an overview."""
        return self.overview == 1
