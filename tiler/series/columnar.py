"""A series as Parquet. Pure."""

import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from arro3.core import Array, DataType
from arro3.core import Table as ArrowTable
from arro3.io import write_parquet

from tiler.series.rows import Series
from tiler.series.summary import about, summary
from tiler.series.tables import to_table
from tiler.series.version import NAME, VERSION

_TIMES = ("datetime", "end")
_TEXTS = ("feature_id", "fid")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBERS = (
    "mean", "min", "max", "std", "median", "count", "valid", "masked", "nodata", "valid_fraction", "cloud_probability",
    "nbcld", "cldprb",
)  # fmt: skip
_BIGGEST = 2**63


def to_parquet(series: Series, links: Sequence[Mapping[str, str]] = ()) -> bytes:
    """The table, ZSTD-compressed; times as UTC timestamps; query and summary as JSON in the file's metadata.

    Columns of ours always have the same type; an attribute's is that of its values, text where they are mixed.
    """
    table = to_table(series)
    cells = list(zip(*table.rows, strict=True)) or [()] * len(table.columns)
    numbers = {*_NUMBERS, *series.request.names, *(f"{name}_smoothed" for name in series.request.names)}
    numbers |= {name for p in series.request.percentiles for name in (f"p{p:g}", f"percentile_{p:g}")}
    columns = [
        _array(name, values, is_number=name in numbers) for name, values in zip(table.columns, cells, strict=True)
    ]
    target = io.BytesIO()
    write_parquet(
        ArrowTable.from_arrays(columns, names=list(table.columns)),
        target,
        compression="zstd(3)",
        created_by=f"{NAME} {VERSION}",
        key_value_metadata={
            "sen2extract": json.dumps({**about(series), "summary": summary(series), "links": list(links)}, default=str)
        },
    )
    return target.getvalue()


def _array(name: str, values: Sequence[Any], *, is_number: bool) -> Array:
    if name in _TIMES and all(value is None or isinstance(value, str) for value in values):
        return _timestamps(values)
    if is_number and all(value is None or _is_number(value) for value in values):
        return Array([None if value is None else float(value) for value in values], DataType.float64())
    return _guessed(values) if name not in _TEXTS else _texts(values)


def _guessed(values: Sequence[Any]) -> Array:
    known = [value for value in values if value is not None]
    if known and all(isinstance(value, bool) for value in known):
        return Array(list(values), DataType.bool())
    if known and all(_is_number(value) for value in known):
        if all(isinstance(value, int) and -_BIGGEST <= value < _BIGGEST for value in known):
            return Array(list(values), DataType.int64())
        return Array([None if value is None else float(value) for value in values], DataType.float64())
    return _texts(values)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _texts(values: Sequence[Any]) -> Array:
    return Array([_text(value) for value in values], DataType.string())


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def _timestamps(values: Sequence[str | None]) -> Array:
    moments = [
        None if value is None else (datetime.fromisoformat(value) - _EPOCH) // timedelta(microseconds=1)
        for value in values
    ]
    return Array(moments, DataType.int64()).cast(DataType.timestamp("us", tz="UTC"))
