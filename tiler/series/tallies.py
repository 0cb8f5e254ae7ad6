"""Statistics of an area too large to be held at once: a histogram of its distinct values, put together from pieces.

Stored numbers are few (16 bits), however many pixels have them, so that all statistics, percentiles included, are those
of the single pixels (`statistics.summarise`). Where an index is computed from bands and has very many different
values, they are rounded, to no fewer than four decimals: as finely as a stored index at least.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from tiler.series.statistics import Pixels, Statistics

_MOST = 1_000_000
"""Distinct values."""
_DECIMALS = (6, 5, 4)

type _Numbers = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What is known of some pixels of a feature.

    `values` are the distinct valid ones, ascending; beside each how many pixels have it (`counts`), the sum of their
    weights, and the weights of the lightest and the heaviest of them. `masked` and `nodata` (with that outside of any
    image) are sums of weights, `inside` that of all pixels that an image holds; `clouds` is the sum of weight x cloud
    probability where that is known, whose weights are `known`.
    """

    values: _Numbers
    counts: _Numbers
    sums: _Numbers
    lightest: _Numbers
    heaviest: _Numbers
    masked: float
    nodata: float
    inside: float
    clouds: float
    known: float

    @classmethod
    def of(cls, pixels: Pixels) -> Self:
        """That of pixels in hand."""
        filled = ~np.isnan(pixels.values)
        usable, hidden = filled & ~pixels.masked, filled & pixels.masked
        known = filled & ~np.isnan(pixels.cloud_probability)
        weights, told = pixels.weights, pixels.weights[known]
        return cls(
            **_counted(pixels.values[usable], weights[usable]),
            masked=float(weights[hidden].sum()),
            nodata=float(weights[~filled].sum()) + pixels.outside,
            inside=float(weights.sum()),
            clouds=float((pixels.cloud_probability[known] * told).sum()),
            known=float(told.sum()),
        )

    def statistics(self, percentiles: tuple[float, ...]) -> Statistics:
        """What `summarise` says of the same pixels."""
        valid = float(self.sums.sum())
        counts = Statistics(
            count=valid + self.masked + self.nodata,
            valid=valid,
            masked=self.masked,
            nodata=self.nodata,
            cloud_probability=self.clouds / self.known if self.known else None,
            percentiles=(None,) * len(percentiles),
        )
        if not self.values.size:
            return counts
        mean = float((self.values * self.sums).sum() / valid)
        median, *asked = self._percentiles((50.0, *percentiles))
        return replace(
            counts,
            mean=mean,
            minimum=float(self.values[0]),
            maximum=float(self.values[-1]),
            std=float(np.sqrt(((self.values - mean) ** 2 * self.sums).sum() / valid)),
            median=median,
            percentiles=tuple(asked),
        )

    def _percentiles(self, wanted: tuple[float, ...]) -> tuple[float, ...]:
        """`weighted_percentiles`: between the first and the last pixel of one value, that is what all have."""
        most, total = self.counts.sum() - 1, self.sums.sum()
        pixels, weight = np.cumsum(self.counts) - self.counts, np.cumsum(self.sums) - self.sums
        first = pixels * self.lightest + most * weight
        last = (pixels + self.counts - 1) * self.heaviest + most * (weight + self.sums - self.heaviest)
        places = np.stack([first, np.maximum(first, last)], axis=1).reshape(-1)
        found = np.interp(np.asarray(wanted) / 100 * most * total, places, self.values.repeat(2))
        return tuple(found.tolist())


@dataclass
class Gathered:
    """Tallies as they come, put together whenever they hold many values."""

    _parts: list[Tally] = field(default_factory=list, init=False)

    def add(self, tally: Tally) -> None:
        """Take one more."""
        self._parts.append(tally)
        if sum(part.values.size for part in self._parts) > _MOST:
            self._parts = [merged(self._parts)]

    def whole(self) -> Tally:
        """All that were taken, as one; at least one was."""
        return merged(self._parts)


def merged(parts: Sequence[Tally]) -> Tally:
    """The tally of all pixels of `parts`, of which there is one at least."""
    if len(parts) == 1:
        return parts[0]
    columns = [
        np.concatenate(found)
        for found in zip(*((t.values, t.counts, t.sums, t.lightest, t.heaviest) for t in parts), strict=True)
    ]
    return Tally(
        **_grouped(*columns),
        masked=sum(part.masked for part in parts),
        nodata=sum(part.nodata for part in parts),
        inside=sum(part.inside for part in parts),
        clouds=sum(part.clouds for part in parts),
        known=sum(part.known for part in parts),
    )


def _counted(values: _Numbers, weights: _Numbers) -> dict[str, _Numbers]:
    """Nearly all pixels of a large area lie within it: these are only counted."""
    whole = weights == 1
    distinct, counts = np.unique(values[whole], return_counts=True)
    numbers, ones = counts.astype(np.float64), np.ones(distinct.size)
    edge = weights[~whole]
    return _grouped(
        np.concatenate([distinct, values[~whole]]),
        np.concatenate([numbers, np.ones(edge.size)]),
        np.concatenate([numbers, edge]),
        np.concatenate([ones, edge]),
        np.concatenate([ones, edge]),
    )


def _grouped(
    values: _Numbers, counts: _Numbers, sums: _Numbers, lightest: _Numbers, heaviest: _Numbers
) -> dict[str, _Numbers]:
    """Equal values as one, ascending; of too many, those that are equal when rounded."""
    order = np.argsort(values, kind="stable")
    found = {"values": values[order]}
    others = {"counts": counts, "sums": sums, "lightest": lightest, "heaviest": heaviest}
    starts = _starts(found["values"])
    for decimals in _DECIMALS:
        if starts.size <= _MOST:
            break
        found["values"] = np.round(found["values"], decimals)
        starts = _starts(found["values"])
    if not starts.size:
        return {**found, **others}
    together = {"counts": np.add, "sums": np.add, "lightest": np.minimum, "heaviest": np.maximum}
    grouped = {name: rule.reduceat(others[name][order], starts) for name, rule in together.items()}
    return {"values": found["values"][starts], **grouped}


def _starts(ordered: _Numbers) -> NDArray[np.intp]:
    """Where each of equal values that stand together begins."""
    return np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])[: ordered.size])
