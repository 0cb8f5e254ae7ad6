"""Weighted statistics of the pixels of a feature; numpy only."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Pixels:
    """The pixels of a feature, flat and of equal length.

    `values` is NaN where nodata; `weights` (> 0) is the share of the pixel within the feature; `masked` what the cloud
    mask leaves out; `cloud_probability` in per cent, NaN where unknown. `outside` is the weight of pixels that no image
    holds.
    """

    values: NDArray[np.float64]
    weights: NDArray[np.float64]
    masked: NDArray[np.bool_]
    cloud_probability: NDArray[np.float64]
    outside: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """What a row says. `count`, `valid`, `masked`, `nodata` are sums of weights: `valid + masked + nodata = count`.

    `std` is that of the population. The other numbers are None where no pixel is valid.
    """

    mean: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    std: float | None = None
    median: float | None = None
    percentiles: tuple[float | None, ...] = ()
    count: float
    valid: float
    masked: float
    nodata: float
    cloud_probability: float | None = None

    @property
    def valid_fraction(self) -> float:
        """Share of the feature that is valid, 0..1."""
        return self.valid / self.count if self.count else 0.0


def merge(parts: list[Pixels]) -> Pixels:
    """The pixels of a feature's parts, together."""
    if len(parts) == 1:
        return parts[0]
    return Pixels(
        values=np.concatenate([part.values for part in parts]),
        weights=np.concatenate([part.weights for part in parts]),
        masked=np.concatenate([part.masked for part in parts]),
        cloud_probability=np.concatenate([part.cloud_probability for part in parts]),
        outside=sum(part.outside for part in parts),
    )


def summarise(pixels: Pixels, percentiles: tuple[float, ...]) -> Statistics:
    """Statistics of `pixels`; `percentiles` in 0..100."""
    if pixels.values.size == 1:
        return _of_one(pixels, len(percentiles))
    filled = ~np.isnan(pixels.values)
    usable = filled & ~pixels.masked
    weights = pixels.weights
    known = filled & ~np.isnan(pixels.cloud_probability)
    probability = weighted_mean(pixels.cloud_probability[known], weights[known]) if known.any() else None
    valid, masked = float(weights[usable].sum()), float(weights[filled & pixels.masked].sum())
    nodata = float(weights[~filled].sum()) + pixels.outside
    counts = Statistics(
        count=valid + masked + nodata,
        valid=valid,
        masked=masked,
        nodata=nodata,
        cloud_probability=probability,
        percentiles=(None,) * len(percentiles),
    )
    return _with_moments(counts, pixels.values[usable], weights[usable], percentiles) if usable.any() else counts


def _of_one(pixels: Pixels, percentiles: int) -> Statistics:
    """The same for a single pixel, as points have them by the thousand: numbers instead of arrays."""
    value, weight = float(pixels.values[0]), float(pixels.weights[0])
    filled, masked = not math.isnan(value), bool(pixels.masked[0])
    probability = float(pixels.cloud_probability[0])
    told = value if filled and not masked else None
    return Statistics(
        mean=told, minimum=told, maximum=told, std=None if told is None else 0.0, median=told,
        percentiles=(told,) * percentiles,
        count=weight + pixels.outside,
        valid=weight if filled and not masked else 0.0,
        masked=weight if filled and masked else 0.0,
        nodata=pixels.outside + (0.0 if filled else weight),
        cloud_probability=probability if filled and not math.isnan(probability) else None,
    )  # fmt: skip


def weighted_mean(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Sum of weight x value over the sum of the weights."""
    return float((values * weights).sum() / weights.sum())


def weighted_percentiles(
    values: NDArray[np.float64], weights: NDArray[np.float64], percentiles: tuple[float, ...]
) -> tuple[float, ...]:
    """Percentiles (0..100) by linear interpolation between the sorted values.

    The k-th value (k = 0..n-1) stands at `k * w[k] + (n - 1) * (w[0] + … + w[k-1])` on an axis of length
    `(n - 1) * sum(w)`. With equal weights this is numpy's default, and it is what exactextract computes; among equal
    values of unequal weight, whose order it leaves open, the lighter stands first.
    """
    order = np.lexsort((weights, values))
    ordered, w = values[order], weights[order]
    before = np.concatenate([[0.0], np.cumsum(w)[:-1]])
    places = np.arange(w.size) * w + (w.size - 1) * before
    wanted = np.asarray(percentiles) / 100 * (w.size - 1) * w.sum()
    return tuple(float(value) for value in np.interp(wanted, places, ordered))


def _with_moments(
    counts: Statistics, values: NDArray[np.float64], weights: NDArray[np.float64], percentiles: tuple[float, ...]
) -> Statistics:
    mean = weighted_mean(values, weights)
    median, *asked = weighted_percentiles(values, weights, (50.0, *percentiles))
    return Statistics(
        mean=mean,
        minimum=float(values.min()),
        maximum=float(values.max()),
        std=float(np.sqrt(weighted_mean((values - mean) ** 2, weights))),
        median=median,
        percentiles=tuple(asked),
        count=counts.count,
        valid=counts.valid,
        masked=counts.masked,
        nodata=counts.nodata,
        cloud_probability=counts.cloud_probability,
    )
