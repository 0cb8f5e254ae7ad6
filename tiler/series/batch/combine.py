"""A job's parts put together, one group of features after the other: results, what failed, and the bundle."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from stac.jobs import Chunk
from tiler.series.batch.chunks import Work, part_name
from tiler.series.batch.documents import FEATURES, ChunkPlan, features_of
from tiler.series.batch.parts import unpack
from tiler.series.batch.writers import Written, write
from tiler.series.delimited import csv_text
from tiler.series.features import Feature
from tiler.series.interval import format_instant
from tiler.series.refine import refine
from tiler.series.rows import FAILED, Row, Series, ordered
from tiler.series.tables import Table

FAILURES = "failures.csv"
_COLUMNS = ("feature_id", "datetime", "index", "item_id", "status", "reason")
_LOST = "its task ended without a word: see its log in Airflow"
_NAMED = 20


@dataclass(frozen=True, kw_only=True)
class Item:
    """What a row was made of."""

    baseline: str
    acquired: datetime


@dataclass(kw_only=True)
class Combined:
    """What came of a job: files written, rows by status (as they were read), chunks that failed, unread rows."""

    written: Written
    statuses: Counter[str] = field(default_factory=Counter)
    chunks: Sequence[tuple[ChunkPlan, str]] = ()
    failures: int = 0
    named: list[dict[str, Any]] = field(default_factory=list)
    items: dict[str, Item] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Whether everything could be read."""
        return not self.failures

    @property
    def message(self) -> str:
        """What is missing, in words."""
        unread = sum(self.statuses[status] for status in FAILED)
        told = [f"{len(self.chunks)} chunks failed"] if self.chunks else []
        told += [f"{unread} rows could not be read whole"] if unread else []
        return "; ".join(told + ([self.written.note] if self.written.note else []))


def combine(work: Work, ended: Mapping[int, Chunk], folder: Path) -> Combined:
    """Write the results into `folder`: of every chunk that is done, whatever became of the others."""
    features = features_of(work.shelf.read_json(FEATURES))
    failed = [(one, ended[one.number].reason or "" if one.number in ended else _LOST) for one in work.plan.chunks]
    failed = [(one, reason) for one, reason in failed if reason]
    done = Combined(written=Written(folder=folder, files=[]), chunks=failed)
    frame = Series(
        request=work.request,
        rows=(),
        attributes={feature.id: feature.attributes for feature in features},
        span=_span(work, failed),
    )
    with (folder / FAILURES).open("w", encoding="utf-8", newline="") as file:
        file.write(csv_text(Table(columns=_COLUMNS, rows=())))
        for one, reason in failed:
            file.write(_lines(_of_chunk(work, features, one, reason, done)))
        done.written = write(_parts(work, features, frame, file, done), frame, folder)
    if done.is_complete:
        (folder / FAILURES).unlink()
    else:
        done.written.files.append(FAILURES)
    return done


def _parts(work: Work, features: Sequence[Feature], frame: Series, file: IO[str], done: Combined) -> Iterator[Series]:
    """The series of one group of features after the other, as it is served."""
    failed = {one.number for one, _ in done.chunks}
    for group, (first, last) in enumerate(work.plan.groups):
        own = features[first:last]
        chunks = [one for one in work.plan.chunks if one.group == group and one.number not in failed]
        rows = [row for one in chunks for row in _rows(work, one)]
        done.statuses.update(row.status for row in rows)
        done.items |= _items(rows)
        file.write(_lines(_of_row(row, done) for row in rows if row.status in FAILED))
        series = Series(request=work.request, rows=ordered(rows, own, work.request), span=frame.span)
        yield refine(series, own)


def _rows(work: Work, chunk: ChunkPlan) -> list[Row]:
    return unpack(work.shelf.read(part_name(chunk.number)), work.request)


def _span(work: Work, failed: Sequence[tuple[ChunkPlan, str]]) -> tuple[datetime, datetime] | None:
    """First and last acquisition of all rows, which say where steps begin and end if the request does not."""
    if work.request.step is None:
        return None
    lost = {one.number for one, _ in failed}
    times = [row.acquired for one in work.plan.chunks if one.number not in lost for row in _rows(work, one)]
    return (min(times), max(times)) if times else None


def _of_chunk(
    work: Work, features: Sequence[Feature], chunk: ChunkPlan, reason: str, done: Combined
) -> Iterator[tuple[str, ...]]:
    """A line for each feature that a failed chunk leaves out."""
    passes = [work.plan.passes[place] for place in chunk.passes]
    first, last = (format_instant(moment) for moment in (min(p.start for p in passes), max(p.end for p in passes)))
    own = features[slice(*work.plan.groups[chunk.group])]
    done.failures += len(own)
    _name(done, features=[own[0].id, own[-1].id], count=len(own), datetime=f"{first}/{last}", reason=reason)
    for feature in own:
        yield feature.id, f"{first}/{last}", "", "", "failed", reason


def _of_row(row: Row, done: Combined) -> tuple[str, ...]:
    done.failures += 1
    moment = format_instant(row.acquired)
    _name(done, features=[row.feature_id], count=1, datetime=moment, item=row.item_id, reason=row.reason)
    return row.feature_id, moment, row.index, row.item_id, row.status, row.reason


def _name(done: Combined, **failure: Any) -> None:
    if len(done.named) < _NAMED:
        done.named.append(failure)


def _lines(rows: Iterable[Sequence[str]]) -> str:
    return csv_text(Table(columns=_COLUMNS, rows=list(rows)), head=False)


def _items(rows: Iterable[Row]) -> dict[str, Item]:
    """Each row names its items, and the baselines of all, equal ones once."""
    found: dict[str, Item] = {}
    for row in rows:
        items, baselines = row.item_id.split(), row.baseline.split()
        known = baselines if len(baselines) == len(items) else [" ".join(baselines)] * len(items)
        for item, baseline in zip(items, known, strict=True):
            if item not in found or len(baseline) < len(found[item].baseline):
                found[item] = Item(baseline=baseline, acquired=row.acquired)
    return found
