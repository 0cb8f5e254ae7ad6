"""Pixels of one observation within one window: stored numbers to values on the fine grid, and the mask beside them."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, Protocol

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.windows import Window as RasterWindow

from stac.assets import MASK
from stac.indices import INDICES, Index, evaluate, to_reflectance
from stac.masks import NODATA as MASK_NODATA
from stac.masks import Profile, cloud_probability
from stac.resample import double
from tiler.series.acquisitions import Observation
from tiler.series.coverage import Coverage
from tiler.series.errors import SilentStoreError, UnreadableError
from tiler.series.grid import Grid, Image, Window
from tiler.series.statistics import Pixels

_BILINEAR_FACTOR = 2


class Source(Protocol):
    """Where stored numbers come from."""

    def read(self, image: Image, window: Window) -> NDArray[Any]:
        """Stored numbers of `window` on the image's own grid; raises `UnreadableError` naming the object."""


class MissingImageError(Exception):
    """An observation that lacks what a row needs; `status` is the row's."""

    def __init__(self, status: Literal["no_mask", "no_data_asset"], reason: str) -> None:
        super().__init__(reason)
        self.status: Literal["no_mask", "no_data_asset"] = status


def fine_grid(observation: Observation) -> Grid | None:
    """The grid on which the observation is summed up: that of its finest image, 10 m where mask or index is one."""
    grids = [image.grid for image in observation.images.values()]
    return min(grids, key=lambda grid: grid.size) if grids else None


def read_window(image: Image, window: Window) -> NDArray[Any]:
    """Stored numbers of `window` on the image's own grid, by GDAL; raises `UnreadableError` naming the object.

    What needs no block index, at thirty times the cost.
    """
    area = RasterWindow(window.left, window.top, window.shape[1], window.shape[0])
    try:
        with rasterio.open(image.path) as source:
            if (source.height // image.overview, source.width // image.overview) != image.grid.shape:
                raise UnreadableError(f"{image.key} is not of the size that the catalogue says: reconcile the archive")
            if image.is_in_full:
                stored: NDArray[Any] = source.read(1, window=area)
                return stored
            factors = source.overviews(1)
        return _overview(image, factors, area)
    except RasterioError as error:
        if any(sign in str(error) for sign in ("does not exist", "No such file", "404")):
            raise UnreadableError(f"{image.key} is not in the object store") from error
        raise SilentStoreError(f"{image.key} could not be read from the object store") from error


def _overview(image: Image, factors: Sequence[int], area: RasterWindow) -> NDArray[Any]:
    """Numbers of the overview that `image` names, which has to be of whole pixels."""
    if image.overview in factors:
        with rasterio.open(image.path, overview_level=factors.index(image.overview)) as source:
            if source.shape == image.grid.shape:
                stored: NDArray[Any] = source.read(1, window=area)
                return stored
    raise UnreadableError(
        f"{image.key} holds no overview of pixels {image.overview} times as large: ask without resolution"
    )


@dataclass(kw_only=True)
class SceneReader:
    """Reads one observation within one coverage; each image at most once.

    All arrays are flat: the pixels that the coverage holds, in its order. From a source of several dates they have
    an axis of dates before that one.
    """

    observation: Observation
    grid: Grid
    coverage: Coverage
    profile: Profile
    source: Source
    _stored: dict[tuple[str, bool], NDArray[Any]] = field(default_factory=dict)

    def pixels(self, name: str) -> Pixels:
        """Pixels of an asset, or of an index: as stored, or else computed from bands.

        Raises `UnreadableError`, or `MissingImageError` with the status of the row that says so.
        """
        self._require_mask()
        values = self._index(INDICES[name]) if _is_computed(name, self.observation.images) else self._values(name)
        masked, probability = self._mask()
        return Pixels(
            values=values,
            weights=self.coverage.shares,
            masked=masked,
            cloud_probability=probability,
            outside=self.coverage.outside,
        )

    def _index(self, index: Index) -> NDArray[np.float64]:
        self._require(index.bands, f"{index.name} is computed from {', '.join(index.bands)}")
        reflectance = {}
        for band in index.bands:
            image = self.observation.images[band]
            dn = self._fine(band, smooth=True)
            nodata = 0 if image.nodata is None else int(image.nodata)
            reflectance[band] = to_reflectance(dn, scale=image.scale, offset=image.offset, nodata=nodata)
        return evaluate(index, reflectance)

    def _values(self, name: str) -> NDArray[np.float64]:
        self._require((name,), "it is what was asked for")
        image = self.observation.images[name]
        stored = self._fine(name, smooth=False)
        # The catalogue may tell a scale of 1 as a whole number.
        values: NDArray[np.float64] = stored * float(image.scale)
        values += image.offset
        if image.nodata is not None:
            values[stored == image.nodata] = np.nan
        return values

    def _require(self, names: Sequence[str], why: str) -> None:
        missing = [name for name in names if name not in self.observation.images]
        if missing:
            raise MissingImageError(
                "no_data_asset", f"{self.observation.item_id} has no {', '.join(missing)} in the archive ({why})"
            )

    def _require_mask(self) -> None:
        wanted, found = self.profile.field, self.observation
        if wanted is None or wanted in found.mask_fields:
            return
        if MASK not in found.images:
            raise MissingImageError(
                "no_mask",
                f"no cloud mask is held for {found.item_id}: ingest the L2A product of this scene, "
                "or ask with mask=none",
            )
        held = ", ".join(sorted(found.mask_fields)) or "nothing"
        raise MissingImageError(
            "no_mask",
            f"the mask of {found.item_id} holds {held}, not {wanted}: ask with a mask that it holds, or with mask=none",
        )

    def _mask(self) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """What the profile leaves out, and the cloud probability."""
        shape = self.coverage.places.shape
        unknown = np.full(shape, np.nan), np.zeros(shape, dtype=np.bool_)
        if MASK not in self.observation.images:
            return unknown[1], unknown[0]
        try:
            bits = self._fine(MASK, smooth=False).astype(np.uint16)
        except UnreadableError:
            if self.profile.field is None:
                return unknown[1], unknown[0]
            raise
        masked = self.profile.masked(bits)
        if self.profile.field is not None:
            # Where nothing is known of the clouds, nothing is claimed to be clear.
            masked |= bits == MASK_NODATA
        known = "cloud_probability" in self.observation.mask_fields
        probability = np.where(bits == MASK_NODATA, np.nan, cloud_probability(bits)) if known else unknown[0]
        return masked, probability

    def _fine(self, name: str, *, smooth: bool) -> NDArray[Any]:
        key = name, smooth
        if key not in self._stored:
            stored = fine_window(self.observation.images[name], self.grid, self.coverage.window, smooth, self.source)
            self._stored[key] = stored.reshape(*stored.shape[:-2], -1)[..., self.coverage.places]
        return self._stored[key]


def own_window(image: Image, grid: Grid, window: Window, *, smooth: bool) -> Window:
    """The window of the image's own grid from which `window` of the fine `grid` is made.

    Raises `UnreadableError` where the grids do not fit.
    """
    if not image.grid.fits(grid):
        raise UnreadableError(f"{image.key} does not lie on the grid of its scene")
    factor = round(image.grid.size / grid.size)
    return window if factor == 1 else window.coarsened(factor, image.grid, margin=1 if smooth else 0)


def fine_window(image: Image, grid: Grid, window: Window, smooth: bool, source: Source) -> NDArray[Any]:  # noqa: FBT001
    """Stored numbers of `image` for `window` of the fine `grid`.

    A coarser image is repeated (the value of the pixel that contains the place), or, `smooth` and of twice the size,
    interpolated exactly as ingestion does. Raises `UnreadableError` where the grids do not fit.
    """
    own = own_window(image, grid, window, smooth=smooth)
    if 0 in window.shape:
        return np.zeros(window.shape, dtype=np.uint16)
    stored = source.read(image, own)
    factor = round(image.grid.size / grid.size)
    if factor == 1:
        return stored
    fine = (
        double(stored.astype(np.uint16), int(image.nodata or 0))
        if smooth and factor == _BILINEAR_FACTOR
        else stored.repeat(factor, axis=0).repeat(factor, axis=1)
    )
    top, left = window.top - own.top * factor, window.left - own.left * factor
    return fine[top : top + window.shape[0], left : left + window.shape[1]]


def _is_computed(name: str, held: Collection[str]) -> bool:
    """Whether `name` is an index that an observation with the images `held` lacks: an imported archive has any."""
    return name in INDICES and name not in held


def needed(
    observation: Observation, grid: Grid, window: Window, names: Iterable[str]
) -> Iterator[tuple[Image, Window]]:
    """The images, and the windows of their own grids, that a reader of the same will read for `names`.

    `names` are indices and assets. What cannot be read is left out.
    """
    if 0 in window.shape:
        return
    for name, smooth in _wanted(tuple(names), tuple(observation.images)):
        image = observation.images[name]
        if image.grid is grid:
            yield image, window
        elif image.grid.fits(grid):
            yield image, own_window(image, grid, window, smooth=smooth)


@lru_cache(maxsize=1024)
def _wanted(names: tuple[str, ...], held: tuple[str, ...]) -> list[tuple[str, bool]]:
    """Of the images `held` those that `names` and the mask are read from, and whether they are interpolated."""
    wanted = {(MASK, False)}
    for name in names:
        wanted |= {(band, True) for band in INDICES[name].bands} if _is_computed(name, held) else {(name, False)}
    return sorted(found for found in wanted if found[0] in held)
