"""Small places in many acquisitions at once: what packs delivered of them is summed up over all dates together.

No second engine: values, masks and indices are worked out by `reading`, statistics by `statistics`, rows by `sampling`;
the arrays have an axis of dates before that of pixels. Only what is plain is answered here: one observation of which
all images were delivered on the fine grid. All else, and all that is missing or broken, is left to `Sampler.rows`.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import batched
from typing import Any

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import Point

from stac.assets import MASK
from tiler.series.acquisitions import Observation
from tiler.series.grid import Image, Window
from tiler.series.overpasses import Acquisition
from tiler.series.reading import MissingImageError, SceneReader
from tiler.series.rows import Row
from tiler.series.sampling import Sampler
from tiler.series.statistics import summarise_each
from tiler.series.units import Unit

_PIXELS = 400_000
"""Of one image of each date, in one stack."""
_LEAST = 4
"""Dates that are worth a stack."""

type Rows = Mapping[int, list[Row]]
"""By `id` of the acquisition, one row per index or asset of the request."""


@dataclass(frozen=True)
class _Layer:
    """An acquisition, its one observation, and the unit that holds what was delivered for it."""

    acquisition: Acquisition
    observation: Observation
    unit: Unit


@dataclass(frozen=True)
class _Stacked:
    """A source for all layers at once: (dates, rows, columns) of the image that is the first layer's."""

    layers: Sequence[_Layer]

    def read(self, image: Image, window: Window) -> NDArray[Any]:
        """Stored numbers of `window` in the images of all layers that bear the name of `image` in the first."""
        name = next(name for name, one in self.layers[0].observation.images.items() if one is image)
        found = [layer.unit.wants[layer.observation.images[name].key].delivered[window] for layer in self.layers]
        return np.concatenate(found).reshape(len(found), *window.shape)


def rows(sampler: Sampler, units: Iterable[Unit]) -> Rows:
    """Rows of those acquisitions that are plain enough."""
    groups: dict[Hashable, list[_Layer]] = {}
    for unit in units:
        if unit.is_delivered:
            for acquisition in unit.acquisitions:
                if (kind := _kind(sampler, acquisition)) is not None:
                    layer = _Layer(acquisition, acquisition.scenes[0].observations[0], unit)
                    groups.setdefault(kind, []).append(layer)
    found: dict[int, list[Row]] = {}
    for group in groups.values():
        for stack in batched(group, _at_once(group[0].acquisition)):
            found |= _summed(sampler, stack)
    return found


def _at_once(acquisition: Acquisition) -> int:
    return max(1, _PIXELS // max(1, acquisition.pixels))


def _kind(sampler: Sampler, acquisition: Acquisition) -> Hashable | None:
    """What the acquisitions of one stack have in common; None for one that has to be looked at by itself."""
    scenes = acquisition.scenes
    if not scenes or len(scenes[0].observations) > 1 or _at_once(acquisition) < _LEAST:
        return None
    if len(scenes) > 1 and not isinstance(acquisition.feature.geometry, Point):
        return None
    grid, found = scenes[0].grid, scenes[0].observations[0]
    wanted = sampler.request.mask.field
    if wanted is not None and (MASK not in found.images or wanted not in found.mask_fields):
        return None
    kind: list[Hashable] = [acquisition.feature.id, id(grid), found.mask_fields]
    for name, image in found.images.items():
        if image.grid is not grid:
            return None
        kind += name, image.scale, image.offset, image.nodata
    return tuple(kind)


def _summed(sampler: Sampler, stack: Sequence[_Layer]) -> dict[int, list[Row]]:
    first = stack[0]
    scene = first.acquisition.scenes[0]
    coverage = sampler.coverage(first.acquisition.feature, (scene,), 0)
    if not coverage.places.size:
        return {}
    reader = SceneReader(
        observation=first.observation,
        grid=scene.grid,
        coverage=coverage,
        profile=sampler.request.mask,
        source=_Stacked(stack),
    )
    request = sampler.request
    try:
        by_name = [summarise_each(reader.pixels(name), request.percentiles) for name in request.names]
    except MissingImageError:
        return {}
    found = {}
    for layer, statistics in zip(stack, zip(*by_name, strict=True), strict=True):
        own = [
            sampler.row(layer.acquisition, [layer.observation], name, one)
            for name, one in zip(request.names, statistics, strict=True)
        ]
        # A point that another tile may hold as well: what the first has is taken if it is valid.
        if len(layer.acquisition.scenes) == 1 or all(row.status == "ok" for row in own):
            found[id(layer.acquisition)] = own
    return found
