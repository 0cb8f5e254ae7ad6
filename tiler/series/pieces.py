"""Areas too large to be held at once: cut along the grid into pieces, each read and let go of. Which, and how large."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from stac.blocks import BLOCK
from tiler.series.coverage import box_of, window_of
from tiler.series.grid import Grid, Window
from tiler.series.overpasses import Acquisition

WHOLE = 4_000_000
"""Pixels, over all tiles and datastrips, up to which an area is held at once."""
SIDE = 6 * BLOCK
"""Rows and columns of a piece: whole blocks of images of 10, 20 and 60 m, so that few are decoded twice."""


@dataclass(frozen=True, kw_only=True)
class Ground:
    """The part of a feature that one tile answers for, in metres of its zone, and the windows that hold it."""

    geometry: BaseGeometry
    pieces: tuple[Window, ...]


def is_large(acquisition: Acquisition) -> bool:
    """Whether it has to be read in pieces."""
    return acquisition.pixels > WHOLE and not acquisition.feature.is_points


def pixels_at_once(acquisition: Acquisition) -> int:
    """Pixels of one image of it that are held at once, at most."""
    return min(acquisition.pixels, SIDE**2) if is_large(acquisition) else acquisition.pixels


def ground(geometry: BaseGeometry, grid: Grid) -> Ground:
    """An area with its pieces, of which there is always one; they may lie partly beyond the grid."""
    if geometry.is_empty:
        return Ground(geometry=geometry, pieces=(Window(top=0, left=0, bottom=0, right=0),))
    whole = window_of(geometry, grid)
    found = list(_cells(whole))
    shapely.prepare(geometry)
    boxes = np.array([box_of(window, grid) for window in found], dtype=object)
    touched = np.flatnonzero(shapely.intersects(geometry, boxes))
    return Ground(geometry=geometry, pieces=tuple(found[place] for place in touched))


def _cells(whole: Window) -> Iterable[Window]:
    for top in range(whole.top // SIDE * SIDE, whole.bottom, SIDE):
        for left in range(whole.left // SIDE * SIDE, whole.right, SIDE):
            yield Window(
                top=max(top, whole.top),
                left=max(left, whole.left),
                bottom=min(top + SIDE, whole.bottom),
                right=min(left + SIDE, whole.right),
            )
