"""What Airflow's tasks of a job do: plain functions of JSON values, settings from the environment, no Airflow in here.

`extract_series` runs `plan`, `extract` for each chunk, then `finish` and `verdict`. What the job is about lies in the
bucket, how far it is stands in the table `job`: each may be run again at any time, and goes on where it was.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store
from psycopg_pool import ConnectionPool

from stac import jobs
from stac.jobs import PREFIX, Chunk, Job
from stac.settings import Settings
from tiler.opening import engine_of, pool_of
from tiler.series import objects
from tiler.series.batch.bundle import BUNDLE, bundle
from tiler.series.batch.chunks import Work, run_chunk
from tiler.series.batch.combine import FAILURES, Combined, combine
from tiler.series.batch.documents import FEATURES, PLAN, REQUEST, JobPlan, features_of, request_of
from tiler.series.batch.planning import Earlier, Sizes, plan_job
from tiler.series.batch.shelf import MissingFileError, Shelf
from tiler.series.batch.survey import survey
from tiler.series.batch.writers import MEDIA_TYPES
from tiler.series.engine import Engine
from tiler.series.errors import SeriesError, SeriesRequestError, SeriesTooLargeError
from tiler.series.formats import file_name
from tiler.series.limits import UNLIMITED
from tiler.series.request import SeriesRequest
from tiler.settings import TilerSettings

_PATIENT = 3600.0
"""Seconds for which a chunk reads images that the block index lacks: nobody waits for it."""
_DOWNLOADS = {**MEDIA_TYPES, FAILURES: "text/csv", BUNDLE: "application/zip"}
_LEFTOVER = timedelta(days=2)
_FINAL = (SeriesRequestError, SeriesTooLargeError)
"""Errors of a chunk that no other try would mend."""


class JobError(SeriesError):
    """A job that has not all it should have; the message says what is missing and why."""


class MissingJobError(JobError):
    """There is no such job: another try will not find it either."""


@dataclass(frozen=True, kw_only=True)
class Office:
    """What a task works with: the settings, the database, the bucket, an engine without the limits of a request."""

    settings: Settings
    tiler: TilerSettings
    pool: ConnectionPool
    store: S3Store
    engine: Engine

    def shelf(self, job: str) -> Shelf:
        """The files of a job."""
        return Shelf(store=self.store, job=job)

    def job(self, job: str) -> Job:
        """The job's row; raises `MissingJobError` where it has been removed."""
        with self.pool.connection() as connection:
            found = jobs.get(connection, job)
        if found is None:
            raise MissingJobError(f"there is no job {job}: it has been removed, or was never handed over whole")
        return found

    def work(self, job: str) -> Work:
        """The job as it was asked and planned; raises `MissingFileError` where it has not been planned."""
        shelf = self.shelf(job)
        plan = JobPlan.from_json(shelf.read_json(PLAN))
        return Work(shelf=shelf, request=request_of(shelf.read_json(REQUEST)), plan=plan)


def plan(job: str) -> list[int]:
    """Cut the job into chunks and return their numbers; none if it has been cancelled."""
    with _office() as office:
        if office.job(job).status == "cancelled":
            return []
        try:
            found = _planned(office, job)
        except SeriesError as error:
            with office.pool.connection() as connection:
                jobs.remark(connection, job, str(error))
            raise
        with office.pool.connection() as connection:
            jobs.planned(connection, job, len(found.chunks))
        return [chunk.number for chunk in found.chunks]


def extract(job: str, number: int, *, last_try: bool = True) -> dict[str, Any]:
    """Run one chunk; what it comes to, or why it failed if it is not tried again, is written down.

    Raises whatever went wrong: the run of a job with a failed chunk is red.
    """
    with _office() as office:
        known = _known(office, job, number)
        if known is not None:
            return known
        try:
            work = office.work(job)
            ended = run_chunk(office.engine, work, work.plan.chunks[number], last_try=last_try)
        except Exception as error:
            # The one boundary: whatever stops a chunk is the user's to know.
            if last_try or isinstance(error, _FINAL):
                _note(office, job, Chunk(number=number, reason=f"{type(error).__name__}: {error}"[:500]))
            raise
        _note(office, job, ended)
        return {"chunk": number, "rows": ended.rows}


def finish(job: str) -> dict[str, Any]:
    """Put together what the chunks have left, and end the job; a cancelled one is left alone."""
    with _office() as office, tempfile.TemporaryDirectory(prefix="sen2extract-job-") as folder:
        found = office.job(job)
        if found.status == "cancelled":
            return {"status": "cancelled", "message": "cancelled by its owner"}
        try:
            work = office.work(job)
        except MissingFileError:
            return _ended(office, job, "failed", found.message or "it could not be planned: see its log in Airflow")
        with office.pool.connection() as connection:
            ended = jobs.chunks(connection, job)
        done = combine(work, ended, Path(folder))
        if work.plan.chunks and len(done.chunks) == len(work.plan.chunks):
            return _ended(office, job, "failed", f"no chunk could be read: {done.chunks[0][1]}", failures=done.named)
        results = _stored(work, done, Path(folder))
        status: jobs.Status = "succeeded" if done.is_complete else "partial"
        return _ended(office, job, status, done.message or None, results=results, failures=done.named)


def verdict(summary: dict[str, Any]) -> str:
    """The job's end in words; raises `JobError` unless it has all it should have, or was cancelled."""
    text = f"{summary['status']}: {summary['message'] or 'everything is there'}"
    if summary["status"] in ("succeeded", "cancelled"):
        return text
    raise JobError(text)


def expire(days: int | None = None) -> int:
    """Remove the jobs that ended so many days ago (none given: `TILER_JOB_DAYS`), files first; returns how many."""
    with _office() as office:
        age = timedelta(days=office.tiler.job_days if days is None else days)
        with office.pool.connection() as connection:
            old = jobs.older_than(connection, age)
        for job in old:
            remove(office.shelf(job), office.pool, job)
        for job in _leftovers(office):
            office.shelf(job).clear()
        return len(old)


def remove(shelf: Shelf, pool: ConnectionPool, job: str) -> None:
    """Remove a job's files, then its row: interrupted between, it can be removed again."""
    shelf.clear()
    with pool.connection() as connection:
        jobs.remove(connection, job)


def _planned(office: Office, job: str) -> JobPlan:
    """The plan as it lies in the bucket, made if it is not there: a run that is repeated keeps to it."""
    shelf = office.shelf(job)
    if not shelf.has(PLAN):
        document = shelf.read_json(REQUEST)
        features = features_of(shelf.read_json(FEATURES))
        found = survey(office.engine, request_of(document), features)
        sizes = Sizes(rows=office.tiler.job_chunk_rows, reads=office.tiler.job_chunk_pixel_reads)
        earlier = _earlier(office, document["again"]) if document.get("again") else None
        shelf.put_once(PLAN, plan_job(found, sizes, earlier).to_json())
    return JobPlan.from_json(shelf.read_json(PLAN))


def _earlier(office: Office, job: str) -> Earlier | None:
    """The job that is built on; None, so that all is read, if it has been removed or never was planned."""
    with office.pool.connection() as connection:
        ended = jobs.chunks(connection, job)
    try:
        return Earlier(job=job, plan=JobPlan.from_json(office.shelf(job).read_json(PLAN)), chunks=ended)
    except MissingFileError:
        return None


def _known(office: Office, job: str, number: int) -> dict[str, Any] | None:
    """What a chunk came to that need not be run (again)."""
    if office.job(job).status == "cancelled":
        return {"chunk": number, "rows": 0, "skipped": "the job was cancelled"}
    with office.pool.connection() as connection:
        found = jobs.chunks(connection, job).get(number)
    return {"chunk": number, "rows": found.rows} if found is not None and found.reason is None else None


def _note(office: Office, job: str, chunk: Chunk) -> None:
    with office.pool.connection() as connection:
        jobs.note(connection, job, chunk)


def _stored(work: Work, done: Combined, folder: Path) -> list[dict[str, Any]]:
    """Put the results into the bucket; what each is, for the job's row."""
    shelf = work.shelf
    bundle(folder, done, shelf.read_json(REQUEST), shelf.read(FEATURES))
    results = []
    for name in [*done.written.files, BUNDLE]:
        path, kind = folder / name, _DOWNLOADS[name]
        shelf.put(name, path, kind, more=_headers(work.request, name))
        results.append({"name": name, "type": kind, "key": shelf.key(name), "size": path.stat().st_size})
    return results


def _headers(request: SeriesRequest, name: str) -> dict[str, str]:
    """A name that says what is in the file; no cache keeps it, for a repeated run may replace it."""
    stem, _, suffix = name.rpartition(".")
    shown = file_name(request, suffix) if stem == "result" else f"{file_name(request, stem)}.{suffix}"
    return {"Content-Disposition": f'attachment; filename="{shown}"', "Cache-Control": "no-cache"}


def _ended(
    office: Office,
    job: str,
    status: jobs.Status,
    message: str | None,
    *,
    results: list[dict[str, Any]] | None = None,
    failures: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    with office.pool.connection() as connection:
        jobs.end(connection, job, status, message, results=results or (), failures=failures or ())
    return {"status": status, "message": message}


def _leftovers(office: Office) -> Iterator[str]:
    """Jobs with files and without a row, such as a removal that was interrupted leaves."""
    try:
        prefixes = obstore.list_with_delimiter(office.store, PREFIX)["common_prefixes"]
        ids = [prefix.rstrip("/").rpartition("/")[2] for prefix in prefixes]
        with office.pool.connection() as connection:
            known = {one.id for one in jobs.get_many(connection, ids)}
        for job in (one for one in ids if one not in known):
            entries = [entry for batch in obstore.list(office.store, prefix=f"{PREFIX}{job}/") for entry in batch]
            newest = max((entry["last_modified"] for entry in entries), default=None)
            if newest is not None and datetime.now(UTC) - newest > _LEFTOVER:
                yield job
    except BaseError as error:
        raise JobError(f"the bucket cannot be listed: {type(error).__name__}") from error


@contextmanager
def _office() -> Iterator[Office]:
    settings, tiler = Settings(), TilerSettings()
    objects.use_store(settings)
    with (
        pool_of(settings, name="sen2extract-jobs", size=2, seconds=30) as pool,
        # The limits of jobs were checked, by their own measure, before it was accepted.
        engine_of(settings, tiler, pool, UNLIMITED, gdal_seconds=_PATIENT) as engine,
    ):
        yield Office(settings=settings, tiler=tiler, pool=pool, store=engine.store, engine=engine)
