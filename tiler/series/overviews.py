"""Images as they are read in a coarser resolution: each from the overview that its own file holds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from tiler.series.acquisitions import Observation
from tiler.series.grid import Image, coarsened
from tiler.series.resolution import FINEST, gsd

_FACTORS = (2, 4)
"""Of the overviews that are read: a tile's 10980 and 5490 pixels are multiples of these, so that pixels stay whole."""


def in_resolution(observations: Iterable[Observation], resolution: int) -> Sequence[Observation]:
    """The observations with pixels of at least `resolution` metres: what is finer is read from overviews."""
    if resolution == FINEST:
        return tuple(observations)
    return tuple(replace(found, images=_coarser(found.images, resolution)) for found in observations)


def _coarser(images: Mapping[str, Image], resolution: int) -> dict[str, Image]:
    # Of a product made small for a demonstration all pixels are larger by one factor.
    unit = min((image.grid.size / gsd(name) for name, image in images.items()), default=1.0)
    return {name: _overview(image, round(resolution * unit / image.grid.size, 3)) for name, image in images.items()}


def _overview(image: Image, factor: float) -> Image:
    if factor not in _FACTORS:
        return image
    return replace(image, grid=coarsened(image.grid, int(factor)), overview=int(factor))
