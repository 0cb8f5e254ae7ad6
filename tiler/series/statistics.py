"""Weighted statistics of the pixels of a feature; numpy only."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

type _One = tuple[float, bool, float]
"""Of a single pixel: its value, whether it is masked, its cloud probability."""


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
        found = pixels.values.item(), pixels.masked.item(), pixels.cloud_probability.item()
        return _of_one(found, pixels.weights.item(), pixels.outside, len(percentiles))
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


def summarise_each(dates: Pixels, percentiles: tuple[float, ...]) -> list[Statistics]:
    """`summarise` for each of several dates: the arrays of `dates`, but its weights, are (dates, pixels)."""
    shape = dates.values.shape
    values, masked, probability = (
        np.broadcast_to(array, shape) for array in (dates.values, dates.masked, dates.cloud_probability)
    )
    if shape[1] == 1:
        weight, outside, count = dates.weights.item(), dates.outside, len(percentiles)
        found = zip(values[:, 0].tolist(), masked[:, 0].tolist(), probability[:, 0].tolist(), strict=True)
        return [_of_one(one, weight, outside, count) for one in found]
    return [
        summarise(replace(dates, values=one, masked=hidden, cloud_probability=share), percentiles)
        for one, hidden, share in zip(values, masked, probability, strict=True)
    ]


def _of_one(found: _One, weight: float, outside: float, percentiles: int) -> Statistics:
    """Those of a single pixel, as points have them by the thousand: numbers instead of arrays."""
    value, masked, probability = found
    filled = not math.isnan(value)
    told = value if filled and not masked else None
    return Statistics(
        mean=told, minimum=told, maximum=told, std=None if told is None else 0.0, median=told,
        percentiles=(told,) * percentiles,
        count=weight + outside,
        valid=weight if filled and not masked else 0.0,
        masked=weight if filled and masked else 0.0,
        nodata=outside + (0.0 if filled else weight),
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
    # In place: of a district, each of these arrays has tens of millions of numbers.
    places = np.cumsum(w)
    wanted = np.asarray(percentiles) / 100 * (w.size - 1) * w.sum()
    places[1:] = places[:-1]
    places[:1] = 0
    places *= w.size - 1
    w *= np.arange(w.size)
    places += w
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
