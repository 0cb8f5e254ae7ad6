"""Rows of a series summed up over steps of time. Pure.

With v the valid area, m the mean, s the standard deviation and n the median of each acquisition in the step that has
valid pixels:

- `mean` = sum(v m) / sum(v)
- `std` = sqrt(sum(v (s^2 + m^2)) / sum(v) - mean^2): that of all valid pixels of the step together
- `min`, `max` = the least minimum, the greatest maximum
- `median`, percentiles = those of the n, each weighted by v (see `statistics.weighted_percentiles`): over time
- `count`, `valid`, `masked`, `nodata` = sums over all acquisitions of the step that could be read
- `cloud_probability` = mean of those known, weighted by count
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby

import numpy as np

from tiler.series.errors import SeriesTooLargeError
from tiler.series.periods import Period, periods
from tiler.series.request import SeriesRequest
from tiler.series.rows import FAILED, Row, Series, Status, Summed
from tiler.series.statistics import Statistics, weighted_mean, weighted_percentiles

_MOST_ROWS = 1_000_000
_WORST_FIRST: tuple[Status, ...] = ("unreadable", "masked", "nodata", "no_pixel", "no_mask", "no_data_asset")


def aggregate(series: Series) -> Series:
    """The series with one row per feature, step and index, empty steps included; raises `SeriesTooLargeError`."""
    request = series.request
    spans = _spans(series)
    features = [feature.id for feature in series.features] or list(dict.fromkeys(row.feature_id for row in series.rows))
    total = len(features) * len(spans) * len(request.names)
    if total > _MOST_ROWS:
        raise SeriesTooLargeError(
            f"{len(features)} features x {len(spans)} steps x {len(request.names)} indices are {total} rows, at most "
            f"{_MOST_ROWS} are made: ask for fewer features, a longer step or a shorter datetime"
        )
    found = _by_step(series.rows, spans)
    rows = [
        sum_up(found.get((feature, span, name), ()), request, feature=feature, name=name, period=span)
        for feature in features
        for span in spans
        for name in request.names
    ]
    return replace(series, rows=rows)


def sum_up(rows: Sequence[Row], request: SeriesRequest, *, feature: str, name: str, period: Period) -> Row:
    """The row of one step; `rows` are those of one feature and index within it."""
    read = [row.statistics for row in rows if row.statistics is not None]
    status, reason = _judge(rows)
    clear = sum(statistics.valid > 0 for statistics in read)
    return Row(
        feature_id=feature,
        acquired=period.begins,
        index=name,
        statistics=summed(read, request.percentiles) if read else None,
        tile=_together(row.tile for row in rows),
        item_id=_together(row.item_id for row in rows),
        baseline=_together(row.baseline for row in rows),
        mask=request.mask.name,
        status=status,
        reason=reason,
        summed=Summed(period=period, acquisitions=len(rows), clear=clear),
    )


def summed(read: Sequence[Statistics], percentiles: tuple[float, ...]) -> Statistics:
    """Statistics of several acquisitions together, by the formulae above; `percentiles` in 0..100."""
    counts = Statistics(
        count=sum(one.count for one in read),
        valid=sum(one.valid for one in read),
        masked=sum(one.masked for one in read),
        nodata=sum(one.nodata for one in read),
        cloud_probability=_cloud_probability(read),
        percentiles=(None,) * len(percentiles),
    )
    clear = [one for one in read if one.valid > 0]
    return _with_moments(counts, clear, percentiles) if clear else counts


def _with_moments(counts: Statistics, clear: Sequence[Statistics], percentiles: tuple[float, ...]) -> Statistics:
    weights, means, deviations, medians = np.array(
        [(one.valid, one.mean, one.std, one.median) for one in clear], dtype=np.float64
    ).T
    mean = weighted_mean(means, weights)
    # About the mean, not as a difference of squares, which loses digits.
    variance = weighted_mean(deviations**2 + (means - mean) ** 2, weights)
    median, *asked = weighted_percentiles(medians, weights, (50.0, *percentiles))
    return replace(
        counts,
        mean=mean,
        minimum=min(one.minimum for one in clear if one.minimum is not None),
        maximum=max(one.maximum for one in clear if one.maximum is not None),
        std=float(np.sqrt(variance)),
        median=median,
        percentiles=tuple(asked),
    )


def _cloud_probability(read: Sequence[Statistics]) -> float | None:
    known = [(one.cloud_probability, one.count) for one in read if one.cloud_probability is not None and one.count > 0]
    if not known:
        return None
    values, weights = np.array(known, dtype=np.float64).T
    return weighted_mean(values, weights)


def _spans(series: Series) -> list[Period]:
    """The steps, in the order asked, from the start of the datetime to its end, or as far as there are acquisitions."""
    interval, step = series.request.interval, series.request.step
    times = series.span or [row.acquired for row in series.rows]
    first, last = interval.start or min(times, default=None), interval.end or max(times, default=None)
    if step is None or first is None or last is None:
        return []
    spans = list(periods(step, first, last, interval.start))
    return spans[::-1] if series.request.order == "newest" else spans


def _by_step(rows: Iterable[Row], spans: Iterable[Period]) -> Mapping[tuple[str, Period, str], list[Row]]:
    """Rows of each feature, step and index."""
    ordered = sorted(spans)
    starts = np.array([span.begins.timestamp() for span in ordered])

    def key(row: Row) -> tuple[str, Period, str]:
        return row.feature_id, ordered[_place(starts, row.acquired)], row.index

    return {found: list(group) for found, group in groupby(sorted(rows, key=key), key=key)}


def _place(starts: np.ndarray[tuple[int], np.dtype[np.float64]], moment: datetime) -> int:
    return int(np.searchsorted(starts, moment.timestamp(), side="right")) - 1


def _judge(rows: Sequence[Row]) -> tuple[Status, str]:
    """Whether it holds all that was acquired; a step with an acquisition that failed says so."""
    if not rows:
        return "empty", "no acquisition in this step"
    failed = [row for row in rows if row.status in FAILED]
    told = f"{len(failed)} of {len(rows)} acquisitions could not be read: {failed[0].reason}" if failed else ""
    if any(row.statistics is not None and row.statistics.valid > 0 for row in rows):
        return ("partial", told) if failed else ("ok", "")
    worst = min((row for row in rows), key=lambda row: _WORST_FIRST.index(row.status))
    return worst.status, told or worst.reason


def _together(parts: Iterable[str]) -> str:
    """Each word once: a row's own value may name several."""
    return " ".join(dict.fromkeys(word for part in parts for word in part.split()))
