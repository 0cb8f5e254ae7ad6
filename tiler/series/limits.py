"""What one request may cost, and what is said of one that would cost more."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import shapely

from tiler.series.errors import SeriesTooLargeError
from tiler.series.features import Feature
from tiler.series.overpasses import Acquisition
from tiler.series.request import SeriesRequest
from tiler.series.resolution import advice, coarser

_WIDEST = 3.0
"""Degrees: what is wider or higher than three tiles is refused without asking the catalogue."""
_UNBOUNDED = 2**62


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one request may cost: pixels of a feature's bounding box, and pixels x acquisitions x images.

    `job_pixels` is what a job reads of a feature, where there are jobs: to be named in a refusal.
    """

    feature_pixels: int = 4_000_000
    pixel_reads: int = 400_000_000
    job_pixels: int = 0

    def check(self, acquisitions: Sequence[Acquisition], request: SeriesRequest) -> None:
        """Raises `SeriesTooLargeError` with the numbers, and with what would do instead."""
        for one in acquisitions:
            if one.box > self.feature_pixels:
                raise self._too_large(one, request)
        images = request.images
        reads = sum(one.pixels for one in acquisitions) * images
        if reads > self.pixel_reads:
            better = coarser(reads, self.pixel_reads, request.resolution, request.sources)
            raise SeriesTooLargeError(
                f"the request asks for {reads} pixel reads ({len(acquisitions)} acquisitions of features, {images} "
                f"images each), at most {self.pixel_reads} are done at once: ask for fewer or smaller features, a "
                f"shorter datetime or fewer indices{advice(better)}",
                resolution=better,
            )

    def _too_large(self, one: Acquisition, request: SeriesRequest) -> SeriesTooLargeError:
        """What is said of a feature of too many pixels: whether a job or coarser pixels would do."""
        most, job = self.feature_pixels, self.job_pixels
        do = (
            f"send it as a job, which reads up to {job} in full resolution" if one.box <= job
            else "split it or draw a smaller one"
        )  # fmt: skip
        better = coarser(one.box, most, request.resolution, request.sources)
        quicker = ", which is quicker" if better and one.box <= job else ""
        return SeriesTooLargeError(
            f"feature {one.feature.id}: its bounding box holds {one.box} pixels, at most {most} are read at once: "
            f"{do}{advice(better)}{quicker}",
            pixels=one.box,
            resolution=better,
        )


UNLIMITED = Limits(feature_pixels=_UNBOUNDED, pixel_reads=_UNBOUNDED)
"""For jobs, which are bounded by other measures."""


def refuse_huge(feature: Feature) -> None:
    """Raises `SeriesTooLargeError` for a feature that is larger than three tiles."""
    if feature.is_points:
        return
    for part in shapely.get_parts(feature.geometry):
        west, south, east, north = part.bounds
        if max(east - west, north - south) > _WIDEST:
            raise SeriesTooLargeError(
                f"feature {feature.id} is {east - west:.1f} x {north - south:.1f} degrees, at most {_WIDEST:g} are "
                "read at once: draw a smaller one",
                pixels=math.inf,
            )
