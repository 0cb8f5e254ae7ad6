"""A series as Parquet. Pure."""

import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from arro3.core import Array, DataType, Field, RecordBatch, Schema
from arro3.core import Table as ArrowTable
from arro3.io import write_parquet

from tiler.series.request import SeriesRequest
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
_WHOLE = ("acquisitions", "clear")
_BIGGEST = 2**63
_MOMENT = DataType.timestamp("us", tz="UTC")


def to_parquet(series: Series, links: Sequence[Mapping[str, str]] = ()) -> bytes:
    """The table, ZSTD-compressed; times as UTC timestamps; query and summary as JSON in the file's metadata.

    Columns of ours always have the same type; an attribute's is that of its values, text where they are mixed.
    """
    table = to_table(series)
    cells = list(zip(*table.rows, strict=True)) or [()] * len(table.columns)
    numbers = number_columns(series.request)
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


def number_columns(request: SeriesRequest) -> frozenset[str]:
    """Names of the columns of ours that always hold numbers with a fraction."""
    of_index = {*request.names, *(f"{name}_smoothed" for name in request.names)}
    of_percentile = {name for p in request.percentiles for name in (f"p{p:g}", f"percentile_{p:g}")}
    return frozenset({*_NUMBERS, *of_index, *of_percentile})


def schema_of(columns: Sequence[str], request: SeriesRequest, attributes: Mapping[str, Sequence[Any]]) -> Schema:
    """The types of a table's columns before its rows are known; `attributes` are all values of those of features."""
    numbers = number_columns(request)
    return Schema([Field(name, _type(name, attributes.get(name), is_number=name in numbers)) for name in columns])


def batch_of(rows: Sequence[Sequence[Any]], schema: Schema) -> RecordBatch:
    """Rows as a batch of a schema that `schema_of` made."""
    cells = list(zip(*rows, strict=True)) or [()] * len(schema)
    return RecordBatch.from_arrays(
        [_typed(values, schema.field(i).type) for i, values in enumerate(cells)], schema=schema
    )


def _type(name: str, attribute: Sequence[Any] | None, *, is_number: bool) -> DataType:
    if attribute is not None:
        return _guessed(attribute).type
    if name in _TIMES:
        return _MOMENT
    if is_number:
        return DataType.float64()
    return DataType.int64() if name in _WHOLE else DataType.string()


def _typed(values: Sequence[Any], kind: DataType) -> Array:
    if kind == _MOMENT:
        return _timestamps(values)
    if kind == DataType.float64():
        return Array([None if value is None else float(value) for value in values], kind)
    return _texts(values) if kind == DataType.string() else Array(list(values), kind)


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
    return Array(moments, DataType.int64()).cast(_MOMENT)
