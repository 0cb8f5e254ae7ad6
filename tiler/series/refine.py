"""What a request asks beyond its rows: places beside them, sums over steps, a smoothed curve."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tiler.series.aggregate import aggregate
from tiler.series.features import Feature
from tiler.series.rows import Series
from tiler.series.smoothing import smooth


def refine(series: Series, features: Sequence[Feature], report: Mapping[str, Any] | None = None) -> Series:
    """The series as it is served; raises `SeriesTooLargeError` for too many steps."""
    placed = replace(series, features=features, report=report)
    if placed.request.step is not None:
        return aggregate(placed)
    return smooth(placed) if placed.request.smooth != "none" else placed
