"""Request and features to a series: find the acquisitions, weigh the cost, read, sum up. Knows nothing of the web."""

import hashlib
import json
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from threading import BoundedSemaphore, Event
from types import TracebackType
from typing import Self

import shapely
from obstore.store import S3Store
from psycopg_pool import ConnectionPool

from tiler.series import packs, piecewise, stacks
from tiler.series.acquisitions import Nearest, Observation, find, nearest
from tiler.series.cost import Cost, total
from tiler.series.features import Feature, around
from tiler.series.limits import Limits, refuse_huge
from tiler.series.overpasses import Acquisition, Overpasses
from tiler.series.overviews import in_resolution
from tiler.series.patience import Guarded, Patience
from tiler.series.pieces import is_large
from tiler.series.request import SeriesRequest
from tiler.series.rows import Row, Series, Told, ordered
from tiler.series.sampling import Sampler
from tiler.series.unit_source import UnitSource, fetch
from tiler.series.units import Unit, locate, units
from tiler.series.version import VERSION

_PIXELS_AT_ONCE = 8_000_000
_LOCATED_AT_ONCE = 2000
_PIXELS_IN_HAND = 10_000
_NUMBERS_AT_ONCE = 32_000_000
_DECODED_AT_ONCE = 64_000_000
"""Numbers of two bytes: small places all over a tile need few pixels of very many blocks."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What will be read: known, with its cost, before anything is."""

    request: SeriesRequest
    features: Sequence[Feature]
    observations: Sequence[Observation]
    acquisitions: Sequence[Acquisition]
    pixels: int
    nearest: Nearest | None = None

    @property
    def digest(self) -> str:
        """Changes whenever the answer may: with the request, the features, the items' objects or the software."""
        keys = sorted(image.key for observation in self.observations for image in observation.images.values())
        features = [[f.id, shapely.to_wkt(f.geometry, rounding_precision=-1), f.attributes] for f in self.features]
        items = [observation.item_id for observation in self.observations]
        told = json.dumps([VERSION, self.request.echo(), features, items, keys, str(self.nearest)], default=str)
        return hashlib.sha256(told.encode()).hexdigest()[:32]


@dataclass(kw_only=True)
class Engine:
    """Answers series requests.

    `requests` is the most byte ranges in flight, over all requests; `threads` sum up what arrives, and are the most
    images that GDAL reads at once, for `gdal_seconds` of one request at most.
    """

    pool: ConnectionPool
    bucket: str
    store: S3Store
    threads: int = 16
    requests: int = 64
    gdal_seconds: float = 60
    limits: Limits = field(default_factory=Limits)

    def __enter__(self) -> Self:
        self._executor = ThreadPoolExecutor(max_workers=self.threads, thread_name_prefix="series")
        self._gdal = BoundedSemaphore(self.threads)
        self._fetchers = ThreadPoolExecutor(max_workers=self.requests, thread_name_prefix="ranges")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._fetchers.shutdown(cancel_futures=True)
        self._executor.shutdown(cancel_futures=True)

    def plan(self, request: SeriesRequest, features: Sequence[Feature]) -> Plan:
        """What the request comes to; raises `SeriesRequestError`, or `SeriesTooLargeError` with the numbers."""
        for feature in features:
            refuse_huge(feature)
        place = around(features)
        with self.pool.connection() as connection:
            found = in_resolution(find(connection, request, place, self.bucket), request.resolution)
            overpasses = Overpasses(found)
            acquisitions = [one for feature in features for one in overpasses.over(feature)]
            near = None if acquisitions else nearest(connection, request.collection, place)
        seen = {id(found): found for one in acquisitions for found in one.bare}
        observations = sorted(seen.values(), key=lambda found: (found.acquired, found.tile, found.item_id))
        sizes = [one.pixels for one in acquisitions]
        self.limits.check(acquisitions, request)
        return Plan(
            request=request,
            features=features,
            observations=observations,
            acquisitions=acquisitions,
            pixels=max(sizes, default=0),
            nearest=near,
        )

    def stream(self, plan: Plan, told: Told | None = None, gone: Event | None = None) -> Iterator[Sequence[Row]]:
        """Rows as they are read, so many at a time as are there; the newest acquisition first; see `run`.

        Those with few valid pixels are included.
        """
        newest = sorted(plan.acquisitions, key=lambda one: max(found.acquired for found in one.bare), reverse=True)
        yield from self._rows(replace(plan, acquisitions=newest), told or Told(), gone)

    def run(self, plan: Plan, gone: Event | None = None) -> Series:
        """Read everything of `plan` and sum it up; what cannot be read becomes a row that says so.

        Raises `StoreAwayError` when nothing can be read since the store is away, and `GoneError` soon after `gone` is
        set.
        """
        told = Told()
        rows = [row for found in self._rows(plan, told, gone) for row in found]
        kept = [row for row in rows if row.is_enough(plan.request.min_valid)]
        return Series(
            request=plan.request,
            rows=ordered(kept, plan.features, plan.request),
            attributes={feature.id: feature.attributes for feature in plan.features},
            acquisitions=len(plan.acquisitions),
            dropped=len(rows) - len(kept),
            nearest=plan.nearest,
            unindexed=len(told.unindexed),
            lossy=sum(found.lossy for found in plan.observations),
            packed=told.packed,
            broken=len(told.broken),
        )

    def explain(self, plan: Plan) -> Cost:
        """What reading `plan` would cost; only the block index is asked."""
        cost = Cost()
        for batch in self._batches(Sampler(request=plan.request), plan):
            with self.pool.connection() as connection:
                readings = packs.plan(connection, batch)
                locate(connection, batch)
            cost = packs.with_packs(total(batch, cost), readings)
        return cost

    def _rows(self, plan: Plan, told: Told, gone: Event | None) -> Iterator[list[Row]]:
        """Rows unit by unit; of large ones, only so many at once that memory stays bounded."""
        sampler = Sampler(request=plan.request)
        patience = Patience(gone=gone or Event(), gdal_seconds=self.gdal_seconds)
        for batch in self._located(sampler, plan, told):
            known = stacks.rows(sampler, batch)
            ahead = min(2 * self.requests, _ahead(batch))
            many = ahead > self.requests and len(batch) >= self.requests
            pending: deque[list[Row] | Future[list[Row]]] = deque()
            try:
                for unit in batch:
                    patience.check()
                    pending.append(self._begin(sampler, unit, known, told, patience, many=many))
                    if len(pending) == ahead:
                        yield _next_of(pending)
                while pending:
                    yield _next_of(pending)
            finally:
                for future in pending:
                    if isinstance(future, Future):
                        future.cancel()
        patience.conclude(self.store)

    def _located(self, sampler: Sampler, plan: Plan, told: Told) -> Iterator[Sequence[Unit]]:
        """The units of `plan`, with what packs hold for them and the places of the other blocks, some at a time."""
        for batch in self._batches(sampler, plan):
            with self.pool.connection() as connection:
                readings = packs.plan(connection, batch)
            told.broken |= packs.read(self.store, readings, self._fetchers)
            told.packed += sum(not want.is_left for unit in batch for want in unit.wants.values())
            with self.pool.connection() as connection:
                locate(connection, batch)
            told.lacking += sum(
                want.is_indexed and want.is_left and key not in unit.located
                for unit in batch
                for key, want in unit.wants.items()
            )
            yield batch

    def _batches(self, sampler: Sampler, plan: Plan) -> Iterator[Sequence[Unit]]:
        """Units, so many that what packs hold for all of them can be kept in memory."""
        batch: list[Unit] = []
        numbers = 0
        for unit in units(sampler, plan.acquisitions):
            more = unit.pixels * len(unit.wants)
            if batch and (len(batch) == _LOCATED_AT_ONCE or numbers + more > _NUMBERS_AT_ONCE):
                yield batch
                batch, numbers = [], 0
            batch.append(unit)
            numbers += more
        if batch:
            yield batch

    def _begin(
        self, sampler: Sampler, unit: Unit, known: stacks.Rows, told: Told, patience: Patience, *, many: bool
    ) -> list[Row] | Future[list[Row]]:
        """Among many units each reads its own images, one after the other; of few, all images are read at once.

        A small one that packs have delivered has nothing to wait for: handing it to a thread would cost more.
        """
        if all(id(acquisition) in known for acquisition in unit.acquisitions):
            return [row for acquisition in unit.acquisitions for row in known[id(acquisition)]]
        fetched = {} if many else fetch(self.store, unit, Guarded(self._fetchers, patience))
        source = UnitSource(
            store=self.store, unit=unit, fetched=fetched, unindexed=told.unindexed, gdal=self._gdal, patience=patience
        )
        if unit.is_delivered and unit.pixels <= _PIXELS_IN_HAND:
            return _sample(sampler, unit, source, known)
        return (self._fetchers if many else self._executor).submit(_sample, sampler, unit, source, known)


def _sample(sampler: Sampler, unit: Unit, source: UnitSource, known: stacks.Rows) -> list[Row]:
    return [
        row
        for acquisition in unit.acquisitions
        for row in known.get(id(acquisition)) or _read(sampler, acquisition, source)
    ]


def _read(sampler: Sampler, acquisition: Acquisition, source: UnitSource) -> list[Row]:
    if is_large(acquisition):
        return piecewise.rows(sampler, acquisition, source)
    return sampler.rows(acquisition, source)


def _ahead(batch: Sequence[Unit]) -> int:
    """How many units of a batch may be worked on at once for their pixels and blocks to fit into memory."""
    pixels, numbers = max(unit.pixels for unit in batch), max(unit.numbers for unit in batch)
    return max(1, min(_PIXELS_AT_ONCE // max(1, pixels), _DECODED_AT_ONCE // max(1, numbers)))


def _taken(found: list[Row] | Future[list[Row]]) -> list[Row]:
    return found if isinstance(found, list) else found.result()


def _next_of(pending: deque[list[Row] | Future[list[Row]]]) -> list[Row]:
    """The rows of the first unit, once they are there, with those of the units after it that are done already."""
    rows = list(_taken(pending.popleft()))
    while pending and (isinstance(pending[0], list) or pending[0].done()):
        rows += _taken(pending.popleft())
    return rows
