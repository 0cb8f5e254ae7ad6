"""Windows of many dates at once from packs; what no pack answers is left to the COGs.

A pack answers for an image by object key, never by date: one that is stale or gone costs time and no value. It is used
where no more numbers have to be read than from the COGs' blocks: both are compressed alike, so that numbers are bytes.
A block of a full pack holds as many numbers as one of a COG, so that a point is read from a pack as soon as one date
is in it, a field of a few blocks as soon as a few are; a district is read from COGs.
"""

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from obstore.store import S3Store
from psycopg import Connection

from stac import decode, packs
from stac.blocks import BLOCK
from stac.decode import GUARD, Span
from stac.naming import series_of
from stac.packs import Pack, PartRun
from tiler.series import blocks
from tiler.series.blocks import StaleIndexError
from tiler.series.cost import Cost
from tiler.series.errors import UnreadableError
from tiler.series.grid import Window
from tiler.series.units import Unit, Want

log = logging.getLogger(__name__)

_NUMBERS_AT_ONCE = 32_000_000
"""Numbers of packs that are decoded at a time, for all packs of a request."""


@dataclass(kw_only=True)
class Group:
    """Images of a pack, by slot, of which the same windows are wanted; those that the pack promises."""

    windows: tuple[Window, ...]
    wants: list[tuple[int, Want]] = field(default_factory=list)
    promised: Sequence[Window] = ()


@dataclass(kw_only=True)
class Reading:
    """What is read of one pack: by object key the places of the blocks, numbered over the whole tile; and for whom."""

    pack: Pack
    groups: Sequence[Group]
    places: dict[str, dict[int, Span]] = field(default_factory=dict)

    @property
    def windows(self) -> set[Window]:
        """All windows that are wanted of any image."""
        return {window for group in self.groups for window in group.windows}

    @property
    def blocks(self) -> int:
        """Blocks to read."""
        return sum(len(spans) for spans in self.places.values())

    @property
    def numbers(self) -> int:
        """Numbers to decode."""
        return self.blocks * self.pack.image.block**2 * self.pack.image.bands

    @property
    def bytes(self) -> int:
        """Bytes to read, but for gaps."""
        return sum(length + 2 * GUARD for spans in self.places.values() for _, length in spans.values() if length)


def plan(connection: Connection[Any], units: Iterable[Unit]) -> list[Reading]:
    """Choose what is read from packs; the windows that they promise are noted in what the units want."""
    wanted: dict[str, list[Want]] = {}
    for unit in units:
        for want in (one for one in unit.wants.values() if one.is_packed):
            wanted.setdefault(want.image.key, []).append(want)
    series = {name for key in wanted if (name := series_of(key)) is not None}
    held = packs.of_series(connection, series) if series else []
    readings = [reading for reading in _chosen(held, wanted) if _pays(reading)]
    _locate(connection, readings)
    for reading in readings:
        _promise(reading)
    return [reading for reading in readings if reading.places]


def read(store: S3Store, readings: Iterable[Reading], executor: Executor) -> set[str]:
    """Deliver what was promised; returns the keys of the objects that could not be read, whose promises are gone."""
    broken: set[str] = set()
    pending: deque[tuple[int, Future[set[str]]]] = deque()
    ahead = 0
    for reading in readings:
        while pending and ahead + reading.numbers > _NUMBERS_AT_ONCE:
            numbers, future = pending.popleft()
            broken |= future.result()
            ahead -= numbers
        pending.append((reading.numbers, executor.submit(_deliver, store, reading)))
        ahead += reading.numbers
    for _, future in pending:
        broken |= future.result()
    for key in sorted(broken):
        log.warning("%s cannot be read, its COGs are read instead: sen2extract pack --check makes it anew", key)
    return broken


def with_packs(cost: Cost, readings: Iterable[Reading]) -> Cost:
    """The cost of what is left, with that of reading packs."""
    for reading in readings:
        cost = replace(
            cost,
            objects=cost.objects + len(reading.places),
            blocks=cost.blocks + reading.blocks,
            bytes=cost.bytes + reading.bytes,
        )
    return cost


def _chosen(held: Sequence[Pack], wanted: Mapping[str, Sequence[Want]]) -> Iterator[Reading]:
    """The packs that hold what is wanted, those that hold most of it first; each image from one of them."""
    slots = {pack.id: [slot for slot, key in enumerate(pack.keys) if key in wanted] for pack in held}
    taken: set[str] = set()
    for pack in sorted(held, key=lambda pack: -len(slots[pack.id])):
        mine = [(slot, pack.keys[slot]) for slot in slots[pack.id] if pack.keys[slot] not in taken]
        groups: dict[tuple[Window, ...], Group] = {}
        for slot, key in mine:
            for want in wanted[key]:
                if blocks.fits(want.image, pack.image):
                    windows = tuple(want.windows)
                    groups.setdefault(windows, Group(windows=windows)).wants.append((slot, want))
        if groups:
            taken.update(key for _, key in mine)
            yield Reading(pack=pack, groups=list(groups.values()))


def _pays(reading: Reading) -> bool:
    """Whether the pack's blocks hold no more numbers than those of the COGs that it stands for."""
    image = reading.pack.image
    across = -(-image.width // BLOCK)
    cogs = sum(len(_touched(group.windows, across, BLOCK)) * len(group.wants) for group in reading.groups)
    touched = _touched(reading.windows, image.columns, image.block)
    return len(touched) * image.block**2 * image.bands <= cogs * BLOCK**2


def _touched(windows: Iterable[Window], columns: int, block: int) -> set[int]:
    return {number for window in windows for number in decode.numbers(window, columns, block)}


def _locate(connection: Connection[Any], readings: Sequence[Reading]) -> None:
    """Look up, for all packs in one query, where the blocks lie; a part that was not made yet has none."""
    asked = [(reading, run) for reading in readings for run in _runs(reading)]
    if not asked:
        return
    found = packs.locate(connection, [run for _, run in asked])
    for (reading, run), place in zip(asked, found, strict=True):
        if place is None:
            continue
        key, spans = place
        local = decode.spans_of(run.first, spans)
        numbered = {reading.pack.number(run.row, run.column, number): span for number, span in local.items()}
        reading.places.setdefault(key, {}).update(numbered)


def _runs(reading: Reading) -> Iterator[PartRun]:
    pack = reading.pack
    parts: dict[tuple[int, int], list[int]] = {}
    for number in _touched(reading.windows, pack.image.columns, pack.image.block):
        row, column, local = pack.place(number)
        parts.setdefault((row, column), []).append(local)
    for (row, column), touched in parts.items():
        for first, count in decode.chains(touched, pack.columns(column)):
            yield PartRun(pack=pack.id, row=row, column=column, first=first, count=count)


def _promise(reading: Reading) -> None:
    known = {number for spans in reading.places.values() for number in spans}
    for group in reading.groups:
        group.promised = _within(reading, group.windows, known)
        for _, want in group.wants:
            want.promised.update(group.promised)


def _within(reading: Reading, windows: Iterable[Window], known: set[int]) -> list[Window]:
    """Those of `windows` whose blocks are all known."""
    image = reading.pack.image
    return [window for window in windows if known.issuperset(decode.numbers(window, image.columns, image.block))]


def _deliver(store: S3Store, reading: Reading) -> set[str]:
    """Put what the pack holds into the wants; returns the keys of the objects that failed."""
    packed: dict[int, memoryview] = {}
    known: set[int] = set()
    failed: set[str] = set()
    for key, spans in reading.places.items():
        try:
            packed |= blocks.fetch(store, key, spans)
            known |= spans.keys()
        except (UnreadableError, StaleIndexError):
            failed.add(key)
    whole = _within(reading, {window for group in reading.groups for window in group.promised}, known)
    try:
        found = dict(zip(whole, blocks.decoded(reading.pack.image, packed, whole), strict=True))
    except UnreadableError:
        found, failed = {}, set(reading.places)
    for group in reading.groups:
        _hand_out(group, found)
    return failed


def _hand_out(group: Group, found: Mapping[Window, NDArray[Any]]) -> None:
    """Each image's own numbers to the unit that wants them; what was promised and failed is promised no more."""
    slots = [slot for slot, _ in group.wants]
    for window in group.promised:
        dates = np.ascontiguousarray(np.moveaxis(found[window][:, :, slots], 2, 0)) if window in found else None
        for place, (_, want) in enumerate(group.wants):
            if dates is None:
                want.promised.discard(window)
            else:
                want.delivered[window] = dates[place]
