"""A series as a picture: the mean of each feature and index over time. Needs matplotlib (the extra `plot`)."""

import io
from collections.abc import Mapping, Sequence
from datetime import UTC
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from tiler.series.rows import Row, Series

_INCHES = (10.0, 5.0)
_DOTS = 120
_MOST_NAMED = 12
_FAINT = 0.15
_CREDIT = "Contains modified Copernicus Sentinel data"


class PlotError(Exception):
    """A picture that cannot be drawn; the message says what is missing."""


def draw(series: Series) -> bytes:
    """A PNG: a line through the observations with valid pixels, the band of the first and last percentile, curves.

    Raises `PlotError` where matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise PlotError("drawing needs matplotlib: install sen2extract[plot]") from error
    figure = Figure(figsize=_INCHES, dpi=_DOTS, layout="constrained")
    axes = figure.add_subplot()
    lines = _lines(series)
    for (feature, index), rows in lines.items():
        name = index if len(series.features) == 1 else f"{feature} {index}"
        observed = [row for row in rows if row.status in ("ok", "partial")]
        smoothed = [row for row in rows if row.status == "smoothed"]
        (drawn,) = axes.plot(_times(observed), _means(observed), ".-" if not smoothed else ".", label=name)
        if smoothed:
            axes.plot(_times(smoothed), _means(smoothed), color=drawn.get_color())
        if len(lines) == 1 and len(series.request.percentiles) > 1:
            low, high = _band(observed)
            axes.fill_between(_times(observed), low, high, color=drawn.get_color(), alpha=_FAINT, linewidth=0)
    axes.set(
        ylabel=", ".join(series.request.names), title=f"{series.request.collection}, mask {series.request.mask.name}"
    )
    axes.grid(alpha=_FAINT)
    if 0 < len(lines) <= _MOST_NAMED:
        axes.legend(loc="best")
    axes.set_xlabel(_CREDIT, loc="right", size="x-small", alpha=0.6)
    target = io.BytesIO()
    figure.savefig(target, format="png")
    return target.getvalue()


def _lines(series: Series) -> Mapping[tuple[str, str], list[Row]]:
    """Rows with a mean, oldest first, by feature and index."""
    known = [row for row in series.rows if row.statistics is not None and row.statistics.mean is not None]
    ordered = sorted(known, key=lambda row: (row.feature_id, row.index, row.acquired))
    return {key: list(rows) for key, rows in groupby(ordered, key=lambda row: (row.feature_id, row.index))}


def _times(rows: Sequence[Row]) -> NDArray[np.datetime64]:
    return np.array([row.acquired.astimezone(UTC).replace(tzinfo=None) for row in rows], dtype="datetime64[us]")


def _means(rows: Sequence[Row]) -> list[float]:
    return [row.statistics.mean for row in rows if row.statistics and row.statistics.mean is not None]


def _band(rows: Sequence[Row]) -> tuple[list[float], list[float]]:
    found = [row.statistics.percentiles for row in rows if row.statistics]
    pairs = [(one[0] or 0.0, one[-1] or 0.0) for one in found]
    return [low for low, _ in pairs], [high for _, high in pairs]
