"""A smoothed series beside the observed one: a regular grid of five days, gaps filled, Savitzky-Golay. Pure.

The choices are those of Sen2Chain: observations with a quarter of valid pixels or more, gaps filled by centred rolling
means of 3 samples, then of windows that double, window 11, polynomial of order 3. An observation between two dates of
the grid counts for the nearer; where several meet, their mean, weighted by valid area, does.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import savgol_filter

from tiler.series.rows import Row, Series
from tiler.series.statistics import Statistics

STEP = timedelta(days=5)
WINDOW = 11
ORDER = 3
LEAST_VALID = 0.25
_FIRST_FILL = 3
_Key = tuple[str, str]


def smooth(series: Series) -> Series:
    """The series with rows of status `smoothed` after the observed ones of each feature and index.

    A curve needs at least five dates of the grid; where there are fewer, `smoothing` of the result says so.
    """
    rows: list[Row] = []
    told: list[Mapping[str, Any]] = []
    places = {
        feature: position for position, feature in enumerate(dict.fromkeys(row.feature_id for row in series.rows))
    }
    names = {name: position for position, name in enumerate(series.request.names)}

    def key(row: Row) -> tuple[int, int]:
        return places[row.feature_id], names[row.index]

    for _, group in groupby(sorted(series.rows, key=key), key=key):
        found = list(group)
        curve = curve_of(found)
        rows += found + _in_order(curve, newest=series.request.order == "newest")
        told.append(_errors(found, curve))
    return replace(series, rows=rows, smoothing=told)


def curve_of(rows: Sequence[Row]) -> list[Row]:
    """Rows of the smoothed curve of one feature and index, oldest first; none where it cannot be drawn."""
    used = [row for row in rows if _is_usable(row)]
    if not used:
        return []
    first = min(row.acquired for row in used).replace(hour=0, minute=0, second=0, microsecond=0)
    filled = fill(_on_grid(used, first))
    values = savitzky_golay(filled)
    return [] if values is None else [_row(rows[0], first + i * STEP, value) for i, value in enumerate(values.tolist())]


def fill(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """`values` without its NaN: centred rolling means of 3 samples, then of windows that double."""
    filled, width = values.copy(), _FIRST_FILL
    while np.isnan(filled).any():
        filled = np.where(np.isnan(filled), _rolling_mean(filled, width), filled)
        width *= 2
    return filled


def savitzky_golay(values: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Smoothed `values`; a series shorter than the window gets the longest odd one that fits, None if too short."""
    window = min(WINDOW, values.size if values.size % 2 else values.size - 1)
    if window <= ORDER:
        return None
    smoothed: NDArray[np.float64] = savgol_filter(values, window, ORDER, mode="interp")
    return smoothed


def _is_usable(row: Row) -> bool:
    found = row.statistics
    return found is not None and found.mean is not None and found.valid_fraction >= LEAST_VALID


def _on_grid(used: Sequence[Row], first: datetime) -> NDArray[np.float64]:
    """Means on the dates of the grid, NaN where nothing was observed."""
    places = np.array([_place(row, first) for row in used])
    weights = np.array([row.statistics.valid for row in used if row.statistics is not None])
    means = np.array([row.statistics.mean for row in used if row.statistics is not None], dtype=np.float64)
    total = np.bincount(places, weights=weights)
    weighted = np.bincount(places, weights=weights * means)
    grid: NDArray[np.float64] = np.divide(weighted, total, out=np.full(total.shape, np.nan), where=total > 0)
    return grid


def _place(row: Row, first: datetime) -> int:
    """Position of the nearest date of the grid; halfway counts as later."""
    return math.floor((row.acquired - first) / STEP + 0.5)


def _rolling_mean(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Mean of what is known within `width` samples about each; NaN where nothing is."""
    known = ~np.isnan(values)
    sums = np.concatenate([[0.0], np.cumsum(np.where(known, values, 0.0))])
    counts = np.concatenate([[0], np.cumsum(known)])
    places = np.arange(values.size)
    low = np.maximum(places - width // 2, 0)
    high = np.minimum(places + width // 2 + 1, values.size)
    number = counts[high] - counts[low]
    means: NDArray[np.float64] = np.divide(
        sums[high] - sums[low], number, out=np.full(values.shape, np.nan), where=number > 0
    )
    return means


def _row(like: Row, moment: datetime, value: float) -> Row:
    return replace(
        like,
        acquired=moment,
        statistics=Statistics(mean=value, count=0.0, valid=0.0, masked=0.0, nodata=0.0),
        tile="",
        item_id="",
        baseline="",
        status="smoothed",
        reason="",
    )


def _in_order(curve: list[Row], *, newest: bool) -> list[Row]:
    return curve[::-1] if newest else curve


def _errors(rows: Sequence[Row], curve: Sequence[Row]) -> Mapping[str, Any]:
    """How far the curve lies from the observations: mean absolute error, root of the mean square."""
    told: dict[str, Any] = {"feature_id": rows[0].feature_id, "index": rows[0].index, "method": "savgol"}
    used = [row for row in rows if _is_usable(row)]
    if not curve:
        return {**told, "observations": len(used), "reason": "too few dates with a quarter of valid pixels or more"}
    times = [row.acquired.timestamp() for row in curve]
    at = np.interp([row.acquired.timestamp() for row in used], times, [_mean(row) for row in curve])
    off = at - np.array([_mean(row) for row in used])
    mae, rmse = float(np.abs(off).mean()), float(np.sqrt((off**2).mean()))
    return {**told, "observations": len(used), "dates": len(curve), "mae": round(mae, 6), "rmse": round(rmse, 6)}


def _mean(row: Row) -> float:
    if row.statistics is None or row.statistics.mean is None:
        raise ValueError(row.item_id)
    return row.statistics.mean
