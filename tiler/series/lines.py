"""A series as one JSON object per line: whole, or row by row as they are read. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tiler.series.compact import compact
from tiler.series.errors import SourceAwayError
from tiler.series.request import SeriesRequest
from tiler.series.rows import STATUSES, Row, Series, Told
from tiler.series.summary import about, summary
from tiler.series.tables import columns_of, to_table


def to_ndjson(series: Series, links: Sequence[Mapping[str, str]] = ()) -> bytes:
    """Each row on a line; the last line is the summary, of `type` `summary`."""
    table = to_table(series)
    rows = (dict(zip(table.columns, row, strict=True)) for row in table.rows)
    last = {"type": "summary", **about(series), **summary(series), "links": list(links)}
    return b"".join(_line(one) for one in (*rows, last))


def can_stream(request: SeriesRequest) -> bool:
    """Whether each row stands alone: not where several make one."""
    return request.step is None and request.smooth == "none" and request.profile != "wide"


def stream(frame: Series, batches: Iterable[Sequence[Row]], noted: Told) -> Iterator[bytes]:
    """Lines of each batch of rows as it comes, then the summary.

    `frame` is the series without its rows, `noted` what came to light meanwhile. Rows with too few valid pixels are
    counted and left out. Where reading has to stop, the last line is an `error`.
    """
    columns = columns_of(frame.request, frame.attributes)
    counted: Counter[str] = Counter()
    dropped = 0
    for rows in _until_away(batches):
        if isinstance(rows, SourceAwayError):
            yield _line({"type": "error", "detail": str(rows)})
            return
        enough = [row for row in rows if row.is_enough(frame.request.min_valid)]
        dropped += len(rows) - len(enough)
        counted.update(row.status for row in enough)
        if enough:
            yield b"".join(_line({name: make(row) for name, make in columns.items()}) for row in enough)
    total = sum(counted.values())
    told = {
        **summary(replace(frame, dropped=dropped, unindexed=len(noted.unindexed))),
        "rows": total,
        **{str(name): counted[name] for name in STATUSES},
    }
    if total:
        told.pop("message", None)
    yield _line({"type": "summary", **about(frame), **told})


def _until_away(batches: Iterable[Sequence[Row]]) -> Iterator[Sequence[Row] | SourceAwayError]:
    try:
        yield from batches
    except SourceAwayError as error:
        yield error


def _line(one: Mapping[str, Any]) -> bytes:
    return compact(one).encode() + b"\n"
