"""Rows of a chunk as a Parquet file and back, to the bit: what a chunk leaves for the job to put together."""

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from operator import attrgetter
from typing import Any

from arro3.core import Array, DataType
from arro3.core import Table as ArrowTable
from arro3.io import read_parquet, write_parquet

from tiler.series.errors import SeriesError
from tiler.series.request import SeriesRequest
from tiler.series.rows import Row
from tiler.series.statistics import Statistics

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_BATCH = 65_536
_MARK = b"PAR1"
_SHORTEST = 12
_TEXTS = ("feature_id", "index", "tile", "item_id", "baseline", "status", "reason")
_COUNTS = ("count", "valid", "masked", "nodata")
_NUMBERS = ("mean", "minimum", "maximum", "std", "median", "cloud_probability")


class DamagedPartError(SeriesError):
    """A part that is not as it was written."""


def pack(rows: Sequence[Row], percentiles: int) -> bytes:
    """A part of these rows; each has so many `percentiles`, and none sums up a step."""
    columns = {
        "acquired": Array([(row.acquired - _EPOCH) // _MICROSECOND for row in rows], DataType.int64()),
        **{name: Array([getattr(row, name) for row in rows], DataType.string()) for name in _TEXTS},
        # Where nothing could be read, the counts are null as well.
        **{name: _numbers(rows, attrgetter(name)) for name in (*_COUNTS, *_NUMBERS)},
        **{f"p{i}": _numbers(rows, partial(_percentile, i)) for i in range(percentiles)},
    }
    target = io.BytesIO()
    table = ArrowTable.from_arrays(list(columns.values()), names=list(columns))
    write_parquet(table, target, compression="zstd(1)")
    return target.getvalue()


def unpack(content: bytes, request: SeriesRequest) -> list[Row]:
    """The rows of a part of this request; raises `DamagedPartError`."""
    # arro3 panics on what is no Parquet file, which is no `Exception`.
    if len(content) < _SHORTEST or not content.startswith(_MARK) or not content.endswith(_MARK):
        raise DamagedPartError(f"a part of {len(content)} bytes is no Parquet file")
    rows: list[Row] = []
    for batch in read_parquet(io.BytesIO(content), batch_size=_BATCH):
        columns: dict[str, Any] = {name: batch.column(name).to_pylist() for name in batch.schema.names}
        rows += _rows(columns, request)
    return rows


def _numbers(rows: Iterable[Row], of: Callable[[Statistics], float | None]) -> Array:
    return Array([None if row.statistics is None else of(row.statistics) for row in rows], DataType.float64())


def _percentile(place: int, found: Statistics) -> float | None:
    return found.percentiles[place]


def _rows(columns: Mapping[str, Sequence[Any]], request: SeriesRequest) -> Iterable[Row]:
    percentiles = [columns[f"p{i}"] for i in range(len(request.percentiles))]
    for place, acquired in enumerate(columns["acquired"]):
        texts = {name: columns[name][place] for name in _TEXTS}
        statistics = None
        if columns["count"][place] is not None:
            numbers = {name: columns[name][place] for name in (*_COUNTS, *_NUMBERS)}
            statistics = Statistics(percentiles=tuple(found[place] for found in percentiles), **numbers)
        moment = _EPOCH + acquired * _MICROSECOND
        yield Row(acquired=moment, mask=request.mask.name, statistics=statistics, **texts)
