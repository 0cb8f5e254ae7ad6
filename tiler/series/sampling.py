"""One feature in one acquisition: which tiles hold it, what each contributes, and the rows that come of it.

A point is read from one tile: the first, by name, in which it is valid; where it is valid in none, the first in which
it is at least covered. A polygon is shared out among the tiles without counting ground twice: the first tile takes all
that it covers, the next what is left. Datastrips of one tile fill each other's nodata.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import numpy as np
import shapely
from shapely.geometry import MultiPoint, Point
from shapely.geometry.base import BaseGeometry

from stac.masks import Profile
from tiler.series.acquisitions import Observation
from tiler.series.coverage import Coverage, Coverages, clipped, cover
from tiler.series.errors import UnreadableError
from tiler.series.features import Feature, project
from tiler.series.grid import Grid, Image, Window
from tiler.series.known import Known
from tiler.series.overpasses import Acquisition, TileScene
from tiler.series.pieces import Ground, ground, is_large
from tiler.series.reading import MissingImageError, SceneReader, Source, needed
from tiler.series.request import SeriesRequest
from tiler.series.rows import Row, Status
from tiler.series.statistics import Pixels, Statistics, merge, summarise

_RANK: tuple[Status, ...] = ("ok", "partial", "masked", "nodata", "no_pixel", "no_mask", "no_data_asset", "unreadable")
_EXTENT_SEGMENT = 10_000.0


@dataclass(frozen=True, kw_only=True)
class Failure:
    """An observation that contributes nothing, and why."""

    observation: Observation
    status: Status
    reason: str


@dataclass(kw_only=True)
class _Readers:
    """Readers of one acquisition, so that several indices share what is read."""

    profile: Profile
    source: Source
    known: dict[Hashable, SceneReader] = field(default_factory=dict)

    def of(self, observation: Observation, grid: Grid, coverage: Coverage) -> SceneReader:
        key = observation.item_id, id(coverage)
        if key not in self.known:
            self.known[key] = SceneReader(
                observation=observation, grid=grid, coverage=coverage, profile=self.profile, source=self.source
            )
        return self.known[key]


@dataclass(kw_only=True)
class Sampler:
    """Reads acquisitions for one request; safe to use from several threads."""

    request: SeriesRequest
    coverages: Coverages = field(default_factory=Coverages)
    grounds: Known[Ground] = field(default_factory=Known)

    def rows(self, acquisition: Acquisition, source: Source) -> list[Row]:
        """One row per index or asset of the request."""
        readers = _Readers(profile=self.request.mask, source=source)
        return [self._row(acquisition, name, readers) for name in self.request.names]

    def reads(self, acquisition: Acquisition) -> list[list[tuple[Image, Window]]]:
        """What `rows` will read, by scene, as long as nothing fails. Of a point, later scenes may not be needed."""
        point = isinstance(acquisition.feature.geometry, Point)
        found = []
        for position, scene in enumerate(acquisition.scenes):
            shared = ((scene,), 0) if point else (acquisition.scenes, position)
            images = [
                needed(observation, scene.grid, window, self.request.names)
                for window in self._windows(acquisition, *shared)
                for observation in scene.observations
            ]
            found.append([read for one in images for read in one])
        return found

    def _windows(self, acquisition: Acquisition, scenes: Sequence[TileScene], position: int) -> list[Window]:
        """What is read of the fine grid: of a large area, its pieces."""
        if not is_large(acquisition):
            return [self.coverage(acquisition.feature, scenes, position).window]
        pieces = self.ground(acquisition.feature, scenes, position).pieces
        return [clipped(window, scenes[position].grid) for window in pieces]

    def _row(self, acquisition: Acquisition, name: str, readers: _Readers) -> Row:
        if not acquisition.scenes:
            return self.failed(acquisition, acquisition.bare[0], name, "no_data_asset", "the item has no usable image")
        if isinstance(acquisition.feature.geometry, Point):
            return self._of_point(acquisition, name, readers)
        return self._shared(acquisition, acquisition.scenes, name, readers)

    def _of_point(self, acquisition: Acquisition, name: str, readers: _Readers) -> Row:
        rows: list[Row] = []
        for scene in acquisition.scenes:
            rows.append(self._shared(acquisition, (scene,), name, readers))
            if rows[-1].status == "ok":
                return rows[-1]
        return min(rows, key=lambda row: _RANK.index(row.status))

    def _shared(self, acquisition: Acquisition, scenes: Sequence[TileScene], name: str, readers: _Readers) -> Row:
        """A row from all `scenes` that can be read; those that cannot leave their ground to the others."""
        failures: list[Failure] = []
        left = list(scenes)
        while left:
            parts = [
                self._pixels(
                    scene=scene,
                    coverage=self.coverage(acquisition.feature, left, position),
                    name=name,
                    readers=readers,
                    failures=failures,
                )
                for position, scene in enumerate(left)
            ]
            if all(part is not None for part in parts):
                shares = [(scene, part) for scene, part in zip(left, parts, strict=True) if part is not None]
                return self._summed(acquisition, shares, name, failures)
            left = [scene for scene, part in zip(left, parts, strict=True) if part is not None]
        return self.failed(acquisition, failures[0].observation, name, failures[0].status, failures[0].reason)

    def _pixels(
        self,
        *,
        scene: TileScene,
        coverage: Coverage,
        name: str,
        readers: _Readers,
        failures: list[Failure],
    ) -> Pixels | None:
        """What a tile contributes; None, and one more of `failures`, where none of its observations can be read."""
        merged: Pixels | None = None
        for observation in scene.observations:
            found = attempted(readers.of(observation, scene.grid, coverage), name)
            if isinstance(found, Failure):
                failures.append(found)
            else:
                merged = found if merged is None else filled(merged, found)
        return merged

    def coverage(self, feature: Feature, scenes: Sequence[TileScene], position: int) -> Coverage:
        """What the scene at `position` takes: the first also takes the blame for ground that no tile holds."""
        grid = scenes[position].grid
        return self.coverages.of(
            _key(feature, scenes, position),
            lambda: cover(_share(feature, scenes, position), grid, self.request.pixels),
        )

    def ground(self, feature: Feature, scenes: Sequence[TileScene], position: int) -> Ground:
        """The same, not weighed yet: where it is, and the pieces in which it is to be read."""
        grid = scenes[position].grid
        return self.grounds.of(_key(feature, scenes, position), lambda: ground(_share(feature, scenes, position), grid))

    def piece(self, feature: Feature, scenes: Sequence[TileScene], position: int, window: Window) -> Coverage:
        """What of it lies in one of the pieces of `ground`."""
        grid, whole = scenes[position].grid, self.ground(feature, scenes, position)
        return self.coverages.of(
            (*_key(feature, scenes, position), window),
            lambda: cover(whole.geometry, grid, self.request.pixels, within=window),
        )

    def _summed(
        self,
        acquisition: Acquisition,
        parts: Sequence[tuple[TileScene, Pixels]],
        name: str,
        failures: Sequence[Failure],
    ) -> Row:
        used = sorted(parts, key=lambda part: -float(part[1].weights.sum()))
        used = [part for part in used if part[1].weights.size] or used[:1]
        pixels = merge([part[1] for part in parts])
        statistics = summarise(pixels, self.request.percentiles)
        observations = [observation for scene, _ in used for observation in scene.observations]
        return self.row(acquisition, observations, name, statistics, failures)

    def row(
        self,
        acquisition: Acquisition,
        observations: Sequence[Observation],
        name: str,
        statistics: Statistics,
        failures: Sequence[Failure] = (),
    ) -> Row:
        """The row of what was read of `observations`, where `failures` left something out."""
        reasons = list(dict.fromkeys(failure.reason for failure in failures)) if failures else ()
        status, reason = _judge(statistics, reasons)
        return self._make(acquisition, observations, name, status=status, reason=reason, statistics=statistics)

    def failed(self, acquisition: Acquisition, observation: Observation, name: str, status: Status, reason: str) -> Row:
        """The row of an acquisition of which nothing could be read."""
        return self._make(acquisition, [observation], name, status=status, reason=reason)

    def _make(
        self,
        acquisition: Acquisition,
        observations: Sequence[Observation],
        name: str,
        *,
        status: Status,
        reason: str,
        statistics: Statistics | None = None,
    ) -> Row:
        return Row(
            feature_id=acquisition.feature.id,
            acquired=min(observation.acquired for observation in observations),
            index=name,
            statistics=statistics,
            tile=_joined([observation.tile for observation in observations]),
            item_id=_joined([observation.item_id for observation in observations]),
            baseline=_joined([str(observation.baseline) for observation in observations]),
            mask=self.request.mask.name,
            status=status,
            reason=reason,
        )


def attempted(reader: SceneReader, name: str) -> Pixels | Failure:
    """The pixels of an index or asset, or why there are none."""
    try:
        return reader.pixels(name)
    except MissingImageError as error:
        return Failure(observation=reader.observation, status=error.status, reason=str(error))
    except UnreadableError as error:
        return Failure(observation=reader.observation, status="unreadable", reason=str(error))


def filled(first: Pixels, second: Pixels) -> Pixels:
    """`first`, with the pixels of `second` where it holds nothing; both of one coverage."""
    empty = np.isnan(first.values)
    return Pixels(
        values=np.where(empty, second.values, first.values),
        weights=first.weights,
        masked=np.where(empty, second.masked, first.masked),
        cloud_probability=np.where(empty, second.cloud_probability, first.cloud_probability),
        outside=first.outside,
    )


def _others(scenes: Sequence[TileScene], position: int) -> Sequence[TileScene]:
    """The tiles that take ground from the one at `position`."""
    return scenes[1:] if position == 0 else scenes[:position]


def _key(feature: Feature, scenes: Sequence[TileScene], position: int) -> tuple[Hashable, ...]:
    others = tuple(scene.grid for scene in _others(scenes, position))
    return feature.id, scenes[position].grid, position == 0, others


def _share(feature: Feature, scenes: Sequence[TileScene], position: int) -> BaseGeometry:
    """The ground that the scene at `position` takes, in metres of its zone."""
    grid, first = scenes[position].grid, position == 0
    geometry = feature.projected(grid.epsg)
    for other in _others(scenes, position):
        extent = _extent(other.grid, grid.epsg)
        geometry = geometry.difference(extent.difference(grid.extent) if first else extent)
    if not first:
        geometry = geometry.intersection(grid.extent)
    return _of_kind(geometry, points=feature.is_points)


def _extent(grid: Grid, epsg: int) -> BaseGeometry:
    if grid.epsg == epsg:
        return grid.extent
    return project(shapely.segmentize(grid.extent, _EXTENT_SEGMENT), grid.epsg, epsg)


def _of_kind(geometry: BaseGeometry, *, points: bool) -> BaseGeometry:
    """Without the slivers of lower dimension that cutting leaves."""
    if points:
        return geometry if geometry.is_empty or isinstance(geometry, Point) else MultiPoint(shapely.get_parts(geometry))
    return shapely.union_all([part for part in shapely.get_parts(geometry) if part.area > 0])


def _judge(statistics: Statistics, failures: Sequence[str]) -> tuple[Status, str]:
    if statistics.count == 0:
        return "no_pixel", "no pixel centre lies within the feature: ask with pixels=exact"
    if statistics.valid > 0:
        return ("partial", "; ".join(failures)) if failures and statistics.nodata > 0 else ("ok", "")
    if statistics.masked > 0:
        return "masked", "every pixel that holds data is left out by the cloud mask"
    return "nodata", "; ".join(failures) or "the image holds no data there"


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else " ".join(dict.fromkeys(parts))
