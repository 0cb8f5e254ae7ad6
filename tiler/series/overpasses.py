"""Which overpasses saw a feature, and what each tile holds of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import groupby

import numpy as np
import shapely

from stac.blocks import BLOCK
from tiler.series.acquisitions import Observation
from tiler.series.features import Feature
from tiler.series.grid import Grid
from tiler.series.reading import fine_grid


@dataclass(frozen=True, kw_only=True)
class TileScene:
    """What one tile holds of an acquisition: one observation, or several datastrips, on one grid."""

    tile: str
    grid: Grid
    observations: Sequence[Observation]


@dataclass(frozen=True, kw_only=True)
class Acquisition:
    """One overpass over one feature."""

    feature: Feature
    scenes: Sequence[TileScene]
    bare: Sequence[Observation] = ()

    @cached_property
    def pixels(self) -> int:
        """Pixels that one image of it needs at most: those of the feature's bounding box, for each item."""
        return sum(_pixels_within(self.feature, scene.grid) * len(scene.observations) for scene in self.scenes)

    @cached_property
    def box(self) -> int:
        """Pixels of the feature's bounding box, however many tiles and items share it."""
        return max((_pixels_within(self.feature, scene.grid) for scene in self.scenes), default=0)

    @property
    def blocks(self) -> set[tuple[str, int, int]]:
        """Blocks that the feature's bounding box touches, by tile, row and column."""
        return {block for scene in self.scenes for block in _blocks_within(self.feature, scene)}


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """Observations of one overpass, sorted out by tiles."""

    acquired: datetime
    scenes: Sequence[TileScene]
    bare: Sequence[Observation]


class Overpasses:
    """Observations by overpass, sorted out once for all features that the same of them saw."""

    def __init__(self, observations: Sequence[Observation]) -> None:
        self._ordered = sorted(observations, key=lambda found: (found.overpass, found.tile, found.strip, found.item_id))
        self._footprints = np.array([found.footprint for found in self._ordered], dtype=object)
        starts = [found.overpass != before.overpass for before, found in _pairs(self._ordered)]
        self._number = np.cumsum(starts, dtype=np.intp)
        self._known: dict[tuple[int, ...], _Seen] = {}

    def over(self, feature: Feature) -> list[Acquisition]:
        """Those that saw `feature`, oldest first."""
        if not self._ordered:
            return []
        shapely.prepare(feature.geometry)
        hits = np.flatnonzero(shapely.intersects(feature.geometry, self._footprints))
        cuts = np.flatnonzero(np.diff(self._number[hits])) + 1
        passes = [self._seen(tuple(group.tolist())) for group in np.split(hits, cuts) if group.size]
        passes.sort(key=lambda seen: seen.acquired)
        return [Acquisition(feature=feature, scenes=seen.scenes, bare=seen.bare) for seen in passes]

    def _seen(self, places: tuple[int, ...]) -> _Seen:
        if places not in self._known:
            self._known[places] = _sorted_out([self._ordered[place] for place in places])
        return self._known[places]


def _pairs(found: Sequence[Observation]) -> Iterator[tuple[Observation, Observation]]:
    """Each with the one before it, the first with itself."""
    return zip([*found[:1], *found[:-1]], found, strict=True)


def _sorted_out(observations: Sequence[Observation]) -> _Seen:
    scenes = []
    for tile, group in groupby(observations, key=lambda found: found.tile):
        usable = [(found, grid) for found in group if (grid := fine_grid(found)) is not None]
        if usable:
            scenes.append(TileScene(tile=tile, grid=usable[0][1], observations=[found for found, _ in usable]))
    return _Seen(acquired=min(found.acquired for found in observations), scenes=scenes, bare=observations)


def _blocks_within(feature: Feature, scene: TileScene) -> Iterator[tuple[str, int, int]]:
    west, south, east, north = feature.bounds_in(scene.grid.epsg)
    (top, left), (bottom, right) = scene.grid.pixel(west, north), scene.grid.pixel(east, south)
    rows = range(max(top, 0) // BLOCK, min(bottom, scene.grid.height - 1) // BLOCK + 1)
    columns = range(max(left, 0) // BLOCK, min(right, scene.grid.width - 1) // BLOCK + 1)
    return ((scene.tile, row, column) for row in rows for column in columns)


def _pixels_within(feature: Feature, grid: Grid) -> int:
    if feature.is_points:
        return feature.places
    west, south, east, north = feature.bounds_in(grid.epsg)
    return max(1, round(float((east - west) * (north - south)) / grid.size**2))
