"""One chunk of a job: read it, or take it over from an earlier job, and leave its rows in the bucket."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from stac.jobs import Chunk
from tiler.series.batch.documents import FEATURES, ChunkPlan, JobPlan, features_of
from tiler.series.batch.parts import DamagedPartError, pack, unpack
from tiler.series.batch.shelf import MissingFileError, Shelf
from tiler.series.engine import Engine, Plan
from tiler.series.errors import SeriesError
from tiler.series.formats import FORMATS
from tiler.series.interval import Interval
from tiler.series.request import SeriesRequest
from tiler.series.rows import FAILED, Row

_PARQUET = FORMATS["parquet"].media_type


class ChunkError(SeriesError):
    """A chunk of which nothing could be read; the message gives the first reason."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """A job at work: its files, those of the job it builds on, what is asked and how it was cut."""

    shelf: Shelf
    request: SeriesRequest
    plan: JobPlan

    @property
    def earlier(self) -> Shelf:
        """The files of the job it builds on."""
        return replace(self.shelf, job=str(self.plan.earlier))


def part_name(number: int) -> str:
    """The name of a chunk's file."""
    return f"parts/{number:04}.parquet"


def run_chunk(engine: Engine, work: Work, chunk: ChunkPlan, *, last_try: bool = True) -> Chunk:
    """Make the chunk's part; one that is there is counted, not made again.

    Raises `ChunkError` where, before the last try, nothing at all could be read: then a store or network is to blame.
    """
    name = part_name(chunk.number)
    if work.shelf.has(name):
        with suppress(DamagedPartError):
            return told(chunk, unpack(work.shelf.read(name), work.request))
    rows, dropped = _made(engine, work, chunk)
    failed = [row for row in rows if row.status == "unreadable"]
    if failed and len(failed) == len(rows) and not last_try:
        raise ChunkError(f"none of {len(rows)} rows could be read: {failed[0].reason}")
    work.shelf.put(name, pack(rows, len(work.request.percentiles)), _PARQUET)
    return told(chunk, rows, dropped)


def told(chunk: ChunkPlan, rows: Sequence[Row], dropped: int = 0) -> Chunk:
    """How a chunk with these rows ended."""
    unread = {item for row in rows if row.status in FAILED for item in row.item_id.split()}
    return Chunk(number=chunk.number, rows=len(rows), unread=sorted(unread), dropped=dropped)


def _made(engine: Engine, work: Work, chunk: ChunkPlan) -> tuple[list[Row], int]:
    """Taken over where that can be done; the earlier job may have been removed since."""
    if chunk.numbers:
        with suppress(MissingFileError, DamagedPartError):
            return _taken_over(work, chunk), 0
    return _read(engine, work, chunk)


def _taken_over(work: Work, chunk: ChunkPlan) -> list[Row]:
    """Rows of the earlier job that are of the chunk's overpasses."""
    items = {item for place in chunk.passes for item in work.plan.passes[place].items}
    parts = (unpack(work.earlier.read(part_name(number)), work.request) for number in chunk.numbers)
    return [row for rows in parts for row in rows if items.issuperset(row.item_id.split())]


def _read(engine: Engine, work: Work, chunk: ChunkPlan) -> tuple[list[Row], int]:
    """Rows of the chunk's features in its overpasses, and how many have too few valid pixels."""
    passes = [work.plan.passes[place] for place in chunk.passes]
    # What has come into the catalogue since the job was planned is not part of it; a reprocessed item is.
    span = Interval(start=min(one.start for one in passes), end=max(one.end for one in passes))
    features = features_of(work.shelf.read_json(FEATURES), *work.plan.groups[chunk.group])
    plan = engine.plan(replace(work.request, interval=span), features)
    series = engine.run(_only(plan, {one.key for one in passes}))
    return list(series.rows), series.dropped


def _only(plan: Plan, keys: set[tuple[str, str]]) -> Plan:
    return replace(plan, acquisitions=[one for one in plan.acquisitions if one.bare[0].overpass in keys])
