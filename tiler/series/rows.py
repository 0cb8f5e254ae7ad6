"""The rows of a series: one per feature, acquisition and index."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from tiler.series.acquisitions import Nearest
from tiler.series.features import Feature
from tiler.series.periods import Period
from tiler.series.request import SeriesRequest
from tiler.series.statistics import Statistics

Status = Literal[
    "ok", "partial", "masked", "nodata", "unreadable", "no_mask", "no_data_asset", "no_pixel", "empty", "smoothed"
]
STATUSES: Mapping[Status, str] = {
    "ok": "at least one valid pixel",
    "partial": "valid pixels, but a part of the feature could not be read (counted as nodata)",
    "masked": "no valid pixel: the cloud mask leaves all out",
    "nodata": "no valid pixel: the image holds nothing there",
    "unreadable": "an object could not be read; the reason names it",
    "no_mask": "the mask asked for is not held for this acquisition",
    "no_data_asset": "an image that the index needs is not held for this acquisition",
    "no_pixel": "no pixel belongs to the feature by the rule asked for",
    "empty": "no acquisition lies in the step",
    "smoothed": "no observation: a value of the smoothed series, of which only the mean is given",
}
FAILED: tuple[Status, ...] = ("unreadable", "partial")
"""Of what could not be read, wholly or in part."""


@dataclass(frozen=True, kw_only=True)
class Summed:
    """What a row that sums up the acquisitions of a step says besides; `clear` are those with valid pixels."""

    period: Period
    acquisitions: int
    clear: int


@dataclass(frozen=True, kw_only=True)
class Row:
    """One feature, acquisition and index. `statistics` is None where nothing could be read."""

    feature_id: str
    acquired: datetime
    index: str
    statistics: Statistics | None
    tile: str
    item_id: str
    baseline: str
    mask: str
    status: Status
    reason: str = ""
    summed: Summed | None = None

    def is_enough(self, min_valid: float) -> bool:
        """Whether it passes; what could not be read is no sample of too few valid pixels: it stays."""
        return self.statistics is None or self.statistics.valid_fraction >= min_valid


@dataclass(kw_only=True)
class Told:
    """What is told of how an answer was read: noted while it is.

    Keys of images that GDAL had to read; how many the block index lacks of those that were looked up; images from
    packs, keys of broken packs.
    """

    unindexed: set[str] = field(default_factory=set)
    lacking: int = 0
    packed: int = 0
    broken: set[str] = field(default_factory=set)


@dataclass(frozen=True, kw_only=True)
class Series:
    """A whole answer; `attributes` are the features' own, by feature id; `report` says what became of an upload.

    `unindexed` counts the objects that the block index did not hold, read by GDAL at many times the cost; `packed` the
    images that packs answered for, `broken` the objects of packs that could not be read and had to be done without;
    `lossy` the observations of an archive that had lost something before it was imported. `span` is the first and the
    last acquisition of a larger whole of which this is a part.
    """

    request: SeriesRequest
    rows: Sequence[Row]
    attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    acquisitions: int = 0
    dropped: int = 0
    nearest: Nearest | None = None
    unindexed: int = 0
    lossy: int = 0
    packed: int = 0
    broken: int = 0
    features: Sequence[Feature] = ()
    report: Mapping[str, Any] | None = None
    smoothing: Sequence[Mapping[str, Any]] = ()
    span: tuple[datetime, datetime] | None = None

    @property
    def statuses(self) -> dict[str, int]:
        """How many rows have each status, zeros included."""
        counted = Counter(row.status for row in self.rows)
        return {status: counted[status] for status in STATUSES}

    @property
    def is_complete(self) -> bool:
        """Whether everything could be read: only then may the answer be cached."""
        return not any(row.status in FAILED for row in self.rows)


def ordered(rows: Iterable[Row], features: Sequence[Feature], request: SeriesRequest) -> list[Row]:
    """By feature as given, then time as asked, then index as asked."""
    place = {feature.id: position for position, feature in enumerate(features)}
    name = {asked: position for position, asked in enumerate(request.names)}
    sign = -1 if request.order == "newest" else 1
    return sorted(
        rows, key=lambda row: (place[row.feature_id], sign * row.acquired.timestamp(), row.tile, name[row.index])
    )
