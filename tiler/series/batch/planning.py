"""How a job is cut: into groups of features whose rows fit into memory, and these into stretches of time. Pure."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, groupby

import numpy as np

from stac.jobs import Chunk
from tiler.series.batch.documents import ChunkPlan, JobPlan
from tiler.series.batch.survey import Survey

MOST_CHUNKS = 1000
"""Airflow maps at most 1024 tasks (`max_map_length`)."""
_MOST_GROUPS = MOST_CHUNKS // 2
"""So that each may have a chunk that takes over and one that reads."""
MOST_FEATURES = 2000


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What a chunk should not exceed: rows of its group, and pixels x acquisitions x images read."""

    rows: int = 60_000
    reads: int = 400_000_000

    @property
    def doubled(self) -> "Sizes":
        """Twice as much."""
        return Sizes(rows=2 * self.rows, reads=2 * self.reads)


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """An earlier job of the same request: its plan and how its chunks ended."""

    job: str
    plan: JobPlan
    chunks: Mapping[int, Chunk]


def plan_job(found: Survey, sizes: Sizes, earlier: Earlier | None = None) -> JobPlan:
    """Cut the work; what the earlier job has is taken over, and its groups are kept."""
    groups = earlier.plan.groups if earlier else _groups(found, sizes)
    while True:
        chunks = list(_chunks(found, groups, sizes, earlier))
        if len(chunks) <= MOST_CHUNKS:
            return JobPlan(groups=groups, passes=found.passes, chunks=chunks, earlier=earlier.job if earlier else None)
        sizes = sizes.doubled


def _groups(found: Survey, sizes: Sizes) -> list[tuple[int, int]]:
    """Consecutive features whose rows are at most `sizes.rows` together; one that has more is alone."""
    most = max(MOST_FEATURES, math.ceil(found.rows.size / _MOST_GROUPS))
    while True:
        groups = list(_cut(found.rows.tolist(), sizes.rows, most))
        if len(groups) <= _MOST_GROUPS:
            return groups
        sizes = sizes.doubled


def _cut(rows: Sequence[int], limit: int, most: int) -> Iterable[tuple[int, int]]:
    """Ranges of at most `most` whose sum is at most `limit`, but for single ones that are larger."""
    first, total = 0, 0
    for place, own in enumerate(rows):
        if place > first and (total + own > limit or place - first == most):
            yield first, place
            first, total = place, 0
        total += own
    yield first, len(rows)


def _chunks(
    found: Survey, groups: Sequence[tuple[int, int]], sizes: Sizes, earlier: Earlier | None
) -> Iterable[ChunkPlan]:
    numbers = count()
    for group, (first, last) in enumerate(groups):
        numbers_held, held = _held(found, earlier, group) if earlier else ((), set[int]())
        if held:
            yield ChunkPlan(number=next(numbers), group=group, ranges=_ranges(sorted(held)), numbers=numbers_held)
        left = [place for place in range(len(found.passes)) if place not in held]
        if not left or not found.dates[first:last].any():
            continue
        reads = int(found.reads[first:last].sum()) * len(left) / len(found.passes)
        pieces = min(len(left), math.ceil(reads / sizes.reads) or 1)
        for piece in np.array_split(np.array(left), pieces):
            yield ChunkPlan(number=next(numbers), group=group, ranges=_ranges(piece.tolist()))


def _held(found: Survey, earlier: Earlier, group: int) -> tuple[Sequence[int], set[int]]:
    """The chunks of the earlier job that hold rows of the group, and the overpasses that need not be read again.

    Those are unchanged, item by item, and were read without a failure.
    """
    done = [one for one in earlier.plan.chunks if one.group == group and _is_done(earlier, one.number)]
    unread = {item for one in done for item in earlier.chunks[one.number].unread}
    passes = [earlier.plan.passes[place] for one in done for place in one.passes]
    whole = {(one.key, tuple(one.items)) for one in passes if unread.isdisjoint(one.items)}
    held = {place for place, one in enumerate(found.passes) if (one.key, tuple(one.items)) in whole}
    return [one.number for one in done], held


def _is_done(earlier: Earlier, number: int) -> bool:
    return number in earlier.chunks and earlier.chunks[number].reason is None


def _ranges(places: Sequence[int]) -> list[tuple[int, int]]:
    """Sorted positions as half-open ranges."""
    runs = (list(run) for _, run in groupby(enumerate(places), key=lambda pair: pair[1] - pair[0]))
    return [(run[0][1], run[-1][1] + 1) for run in runs]
