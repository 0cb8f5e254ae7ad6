"""What a job would come to, before anything is read: one query, coarse outlines, a few features looked at closely."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from tiler.series.acquisitions import Observation, find
from tiler.series.batch.documents import Pass
from tiler.series.engine import Engine
from tiler.series.errors import SeriesTooLargeError
from tiler.series.features import Feature
from tiler.series.limits import refuse_huge
from tiler.series.request import SeriesRequest
from tiler.series.resolution import advice, coarser

_CELL = 0.25
"""Degrees: the catalogue is asked for cells of this size, so that the query does not grow with the features."""
_MOST_CELLS = 2000
_AT_ONCE = 1000
_DEGREE_EAST, _DEGREE_NORTH = 111_320.0, 110_574.0
_HALF = 180.0
_LOOKED_AT = 20
_LOOKED_PIXELS = 2_000_000
_LOOKED_ACQUISITIONS = 2000
_LOOKED_READS = _LOOKED_PIXELS * _LOOKED_ACQUISITIONS


@dataclass(frozen=True, kw_only=True)
class JobLimits:
    """The most that a job may be: pixels of a feature's bounding box, rows, and pixels x acquisitions x images."""

    feature_pixels: int
    rows: int
    pixel_reads: int


@dataclass(frozen=True, kw_only=True)
class Survey:
    """Overpasses in the order of time; for each feature an upper bound of its overpasses, and about its pixels."""

    request: SeriesRequest
    passes: Sequence[Pass]
    dates: NDArray[np.int64]
    pixels: NDArray[np.int64]

    @property
    def rows(self) -> NDArray[np.int64]:
        """Rows of each feature, at most."""
        return self.dates * len(self.request.names)

    @property
    def reads(self) -> NDArray[np.int64]:
        """Pixels x acquisitions x images of each feature, about."""
        return self.dates * self.pixels * self.request.images

    def check(self, limits: JobLimits) -> None:
        """Raises `SeriesTooLargeError` with the numbers."""
        for what, asked, most in (
            ("rows", int(self.rows.sum()), limits.rows),
            ("pixel reads", int(self.reads.sum()), limits.pixel_reads),
        ):
            if asked > most:
                raise SeriesTooLargeError(
                    f"the job comes to about {asked} {what} ({len(self.dates)} features, {len(self.passes)} dates), at "
                    f"most {most} are done in one: ask for fewer features, a shorter datetime or fewer indices"
                    + (_advice(self.request, asked, most) if what == "pixel reads" else "")
                )


def check_features(request: SeriesRequest, features: Sequence[Feature], limits: JobLimits) -> None:
    """Raises `SeriesTooLargeError` for a feature too large for any job, whatever the catalogue has of it."""
    for feature in features:
        refuse_huge(feature)
    pixels, most = _pixels(features, request.resolution), limits.feature_pixels
    largest = int(pixels.argmax())
    if pixels[largest] > most:
        raise SeriesTooLargeError(
            f"feature {features[largest].id}: its bounding box holds about {pixels[largest]} pixels, at most {most} "
            f"are read by a job: split it or draw a smaller one{_advice(request, int(pixels[largest]), most)}"
        )


def survey(engine: Engine, request: SeriesRequest, features: Sequence[Feature]) -> Survey:
    """Which overpasses there are about the features; raises `SeriesRequestError`."""
    with engine.pool.connection() as connection:
        observations = find(connection, request, _about(features), engine.bucket)
    ordered = sorted(observations, key=lambda found: (found.overpass, found.item_id))
    grouped = [list(group) for _, group in groupby(ordered, key=lambda found: found.overpass)]
    grouped.sort(key=lambda group: (min(found.acquired for found in group), group[0].overpass))
    return Survey(
        request=request,
        passes=[_pass(group) for group in grouped],
        dates=_dates(features, grouped),
        pixels=_pixels(features, request.resolution),
    )


def estimate(engine: Engine, request: SeriesRequest, features: Sequence[Feature], found: Survey) -> dict[str, Any]:
    """What the job would cost, from a few features planned as they will be read; `exact` if these were all."""
    some = _some(found)
    plan = engine.plan(request, [features[place] for place in some])
    weight = sum(one.pixels for one in plan.acquisitions)
    step = max(1, len(plan.acquisitions) // _LOOKED_ACQUISITIONS, weight // _LOOKED_READS)
    cost = engine.explain(replace(plan, acquisitions=plan.acquisitions[::step]))
    looked, planned = len(plan.acquisitions[::step]), len(plan.acquisitions)
    # What these features have of their upper bound, all have.
    share = planned / max(1, int(found.dates[some].sum()))
    acquisitions = planned if len(some) == len(features) else round(int(found.dates.sum()) * share)
    scale = acquisitions / max(1, looked)
    counted = {name: round(value * scale) for name, value in asdict(cost).items()}
    return {
        "features": len(features),
        "dates": len(found.passes),
        **counted,
        "acquisitions": acquisitions,
        "rows": acquisitions * len(request.names),
        "seconds": round(cost.seconds * scale, 1),
        "exact": len(some) == len(features) and step == 1,
    }


def _advice(request: SeriesRequest, asked: int, most: int) -> str:
    return advice(coarser(asked, most, request.resolution, request.sources))


def _some(found: Survey) -> list[int]:
    """Positions of a few features, spread over all, whose outlines are quickly weighed."""
    every = max(1, found.pixels.size // _LOOKED_AT)
    some = list(range(0, found.pixels.size, every))[:_LOOKED_AT]
    affordable = [
        place for place, total in zip(some, np.cumsum(found.pixels[some]), strict=True) if total <= _LOOKED_PIXELS
    ]
    return affordable or some[:1]


def _about(features: Sequence[Feature]) -> BaseGeometry:
    """The cells in which the features' bounding boxes lie; of very many, larger ones."""
    boxes = np.concatenate([shapely.bounds(shapely.get_parts(feature.geometry)) for feature in features])
    cell = _CELL
    while True:
        low, high = np.floor(boxes[:, :2] / cell), np.floor(boxes[:, 2:] / cell) + 1
        spans = np.unique(np.concatenate([low, high], axis=1), axis=0) * cell
        if len(spans) <= _MOST_CELLS:
            return shapely.intersection(shapely.union_all(shapely.box(*spans.T)), shapely.box(-180, -90, 180, 90))
        cell *= 2


def _dates(features: Sequence[Feature], grouped: Sequence[Sequence[Observation]]) -> NDArray[np.int64]:
    """How many overpasses may have seen each feature, by bounding boxes."""
    counted = np.zeros(len(features), dtype=np.int64)
    if not grouped:
        return counted
    overpass = np.repeat(np.arange(len(grouped)), [len(group) for group in grouped])
    tree = shapely.STRtree([found.footprint for group in grouped for found in group])
    for first in range(0, len(features), _AT_ONCE):
        some = [feature.geometry for feature in features[first : first + _AT_ONCE]]
        which, hit = tree.query(some)
        seen = np.zeros((len(some), len(grouped)), dtype=np.bool_)
        seen[which, overpass[hit]] = True
        counted[first : first + _AT_ONCE] = seen.sum(axis=1)
    return counted


def _pixels(features: Sequence[Feature], size: int) -> NDArray[np.int64]:
    """About how many pixels of `size` metres the bounding box of each feature holds; of points, how many there are."""
    return np.array([_pixels_of(feature, size) for feature in features], dtype=np.int64)


def _pixels_of(feature: Feature, size: int) -> int:
    if feature.is_points:
        return int(shapely.get_num_coordinates(feature.geometry))
    west, _, east, _ = feature.geometry.bounds
    # Halves on both sides of the antimeridian lie far apart in degrees only.
    parts = [feature.geometry] if east - west <= _HALF else list(shapely.get_parts(feature.geometry))
    return max(1, round(sum(_box_area(part) for part in parts) / size**2))


def _box_area(geometry: BaseGeometry) -> float:
    """Square metres of the bounding box."""
    west, south, east, north = geometry.bounds
    middle = np.cos(np.radians((south + north) / 2))
    return float((east - west) * _DEGREE_EAST * middle * (north - south) * _DEGREE_NORTH)


def _pass(group: Sequence[Observation]) -> Pass:
    times = [found.acquired for found in group]
    platform, take = group[0].overpass
    items = sorted({found.item_id for found in group})
    return Pass(platform=platform, take=take, start=min(times), end=max(times), items=items)
