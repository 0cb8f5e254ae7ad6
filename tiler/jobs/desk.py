"""Accepting, showing, cancelling and removing jobs. Knows nothing of the web."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from obstore.store import S3Store
from psycopg_pool import ConnectionPool

from stac import jobs
from stac.jobs import Job
from tiler.jobs.airflow import Airflow, AirflowAwayError
from tiler.series.batch.documents import (
    FEATURES,
    REQUEST,
    features_of,
    features_to_json,
    parameters_of,
    request_of,
)
from tiler.series.batch.shelf import MissingFileError, Shelf
from tiler.series.batch.survey import JobLimits, check_features, estimate, survey
from tiler.series.batch.tasks import remove
from tiler.series.engine import Engine
from tiler.series.errors import SeriesError
from tiler.series.features import Feature
from tiler.series.formats import FORMATS
from tiler.series.interval import format_time
from tiler.series.limits import UNLIMITED
from tiler.series.request import SeriesRequest
from tiler.series.version import NAME, VERSION
from tiler.settings import TilerSettings

_ASKED_AGAIN = timedelta(seconds=15)
"""Airflow is asked about a job that has not moved for so long."""


class UnknownJobError(SeriesError):
    """No such job, or not any more."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a job is to do: `report` says what became of an upload, `again` names the job that it goes on with."""

    request: SeriesRequest
    features: Sequence[Feature]
    report: Mapping[str, Any] | None = None
    again: str | None = None

    @property
    def told(self) -> dict[str, Any]:
        """What a job's document says of it."""
        asked: dict[str, Any] = {**self.request.echo(), "features": len(self.features)}
        if self.again:
            asked["again"] = self.again
        if self.report:
            asked["upload"] = {
                **{name: self.report[name] for name in ("format", "layer", "crs")},
                "left_out": len(self.report["left_out"]),
            }
        return asked


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Where jobs are handed in."""

    engine: Engine
    airflow: Airflow
    tiler: TilerSettings

    @property
    def pool(self) -> ConnectionPool:
        """The database."""
        return self.engine.pool

    @property
    def store(self) -> S3Store:
        """The bucket."""
        return self.engine.store

    def again(self, collection: str, job_id: str) -> Order:
        """The order of an earlier job, to be gone on with; raises `UnknownJobError`."""
        found = self.get(collection, job_id)
        shelf = self._shelf(found.id)
        try:
            request, features = shelf.read_json(REQUEST), features_of(shelf.read_json(FEATURES))
        except MissingFileError as error:
            raise _unknown(job_id) from error
        return Order(request=request_of(request), features=features, report=request.get("report"), again=found.id)

    def weigh(self, order: Order) -> dict[str, Any]:
        """What the order would cost; raises `SeriesTooLargeError` with the numbers."""
        engine = replace(self.engine, limits=UNLIMITED)
        limits = JobLimits(
            feature_pixels=self.tiler.job_max_feature_pixels,
            rows=self.tiler.job_max_rows,
            pixel_reads=self.tiler.job_max_pixel_reads,
        )
        # Before the catalogue is asked, which takes seconds for what spans half a continent.
        check_features(order.request, order.features, limits)
        found = survey(engine, order.request, order.features)
        found.check(limits)
        return estimate(engine, order.request, order.features, found)

    def accept(self, order: Order) -> Job:
        """A new job, handed to Airflow, or the one at work on the very same order.

        Raises `SeriesTooLargeError`; `AirflowAwayError` or `ShelfError`, and then nothing is left behind.
        """
        features = features_to_json(order.features)
        digest = _digest(order, features)
        with self.pool.connection() as connection:
            same = jobs.get_active(connection, digest)
        if same is not None:
            return same
        cost = self.weigh(order)
        job_id = str(uuid4())
        shelf = self._shelf(job_id)
        with ExitStack() as undone:
            # Nobody has heard of the job yet: if anything goes wrong, nothing of it stays.
            undone.callback(remove, shelf, self.pool, job_id)
            shelf.put(FEATURES, features, FORMATS["geojson"].media_type)
            shelf.put(REQUEST, _document(order))
            is_new = self._add(job_id, digest, order, cost)
            if is_new:
                self.airflow.start(job_id)
                undone.pop_all()
        with self.pool.connection() as connection:
            found = jobs.get(connection, job_id) if is_new else jobs.get_active(connection, digest)
        if found is None:
            raise AirflowAwayError("the same job has just ended: send it again")
        return found

    def get(self, collection: str, job_id: str) -> Job:
        """The job, as it stands and as Airflow sees it; raises `UnknownJobError`."""
        with self.pool.connection() as connection:
            found = jobs.get(connection, job_id)
        if found is None or found.collection != collection:
            raise _unknown(job_id)
        return self._compared(found)

    def get_many(self, collection: str, ids: Sequence[str]) -> list[Job]:
        """Those of the jobs that there are, the newest first."""
        with self.pool.connection() as connection:
            found = jobs.get_many(connection, ids)
        return [self._compared(job) for job in found if job.collection == collection]

    def cancel(self, job: Job) -> Job | None:
        """End a job that is active; remove one that has ended, which leaves None."""
        if not job.is_active:
            remove(self._shelf(job.id), self.pool, job.id)
            return None
        with self.pool.connection() as connection:
            jobs.end(connection, job.id, "cancelled", "cancelled by its owner")
        # Where Airflow is away, its tasks see for themselves that they are not wanted any more.
        with suppress(AirflowAwayError):
            self.airflow.stop(job.id)
        with self.pool.connection() as connection:
            return jobs.get(connection, job.id)

    def _add(self, job_id: str, digest: str, order: Order, cost: Mapping[str, Any]) -> bool:
        request = {"collection": order.request.collection, **order.told}
        with self.pool.connection() as connection:
            return jobs.add(
                connection,
                job_id,
                digest=digest,
                collection=order.request.collection,
                request=request,
                estimate=cost,
            )

    def _shelf(self, job_id: str) -> Shelf:
        return Shelf(store=self.store, job=job_id)

    def _compared(self, job: Job) -> Job:
        """A job that has not moved for a while may have died in Airflow, which then says so."""
        if not job.is_active or datetime.now(UTC) - max(job.updated, job.checked) < _ASKED_AGAIN:
            return job
        try:
            state = self.airflow.state(job.id)
        except AirflowAwayError:
            return job
        with self.pool.connection() as connection:
            jobs.asked(connection, job.id)
            if state not in ("queued", "running"):
                jobs.end(connection, job.id, "failed", _dead(state))
            return jobs.get(connection, job.id) or job


def _dead(state: str | None) -> str:
    if state is None:
        return "Airflow does not know the job any more: send it again"
    return "its run ended in Airflow without a result, where its log tells why: send it again"


def _unknown(job_id: str) -> UnknownJobError:
    return UnknownJobError(f"no job {job_id[:50]!r}: it never was, has expired, or has been removed")


def _digest(order: Order, features: bytes) -> str:
    told = [VERSION, order.request.echo(), hashlib.sha256(features).hexdigest(), order.again]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _document(order: Order) -> bytes:
    """The job's `request.json`."""
    told = {
        "collection": order.request.collection,
        "parameters": parameters_of(order.request),
        "features": len(order.features),
        "again": order.again,
        "created": format_time(datetime.now(UTC).replace(microsecond=0)),
        "software": {"name": NAME, "version": VERSION},
        "report": order.report,
    }
    return json.dumps(told, ensure_ascii=False, default=str).encode()
