"""Jobs: large extractions that Airflow runs, one row each. The tiler accepts and shows them, the tasks move them on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, LiteralString, get_args

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

Status = Literal["queued", "running", "succeeded", "partial", "failed", "cancelled"]
STATUSES: tuple[Status, ...] = get_args(Status)
ACTIVE: tuple[Status, ...] = ("queued", "running")

DAG = "extract_series"
"""The DAG that runs jobs; the id of a run is that of its job."""

PREFIX = "jobs/"
"""What the keys of all files of jobs begin with: they belong to no item of the catalogue."""

_SELECT: LiteralString = """
SELECT job.id, digest, collection, status, message, request, estimate, job.chunks, results, failures, created, updated,
       ended, checked, coalesce(ended_chunks.done, 0) AS done, coalesce(ended_chunks.failed, 0) AS failed,
       coalesce(ended_chunks.rows, 0)::bigint AS rows, coalesce(ended_chunks.dropped, 0)::bigint AS dropped
FROM sen2extract.job
LEFT JOIN LATERAL (
  SELECT count(*) FILTER (WHERE reason IS NULL) AS done, count(*) FILTER (WHERE reason IS NOT NULL) AS failed,
         sum(rows) AS rows, sum(dropped) AS dropped
  FROM sen2extract.job_chunk WHERE job = job.id
) ended_chunks ON true
"""
_INSERT = """
INSERT INTO sen2extract.job (id, digest, collection, status, request, estimate)
VALUES (%s, %s, %s, 'queued', %s, %s) ON CONFLICT DO NOTHING
"""
_NOTE = """
INSERT INTO sen2extract.job_chunk (job, number, reason, rows, unread, dropped) VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (job, number) DO UPDATE SET reason = excluded.reason, rows = excluded.rows, unread = excluded.unread,
  dropped = excluded.dropped
"""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job as it stands; `done` and `failed` count chunks that ended so, `dropped` what `min_valid` left out."""

    id: str
    digest: str
    collection: str
    status: Status
    message: str | None
    request: Mapping[str, Any]
    estimate: Mapping[str, Any] | None
    chunks: int | None
    results: Sequence[Mapping[str, Any]]
    failures: Sequence[Mapping[str, Any]]
    created: datetime
    updated: datetime
    ended: datetime | None
    checked: datetime
    done: int
    failed: int
    rows: int
    dropped: int

    @property
    def is_active(self) -> bool:
        """Whether it waits or runs."""
        return self.status in ACTIVE


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """How a chunk ended: `reason` is None where it is done; `unread` are items of which something could not be read."""

    number: int
    reason: str | None = None
    rows: int = 0
    unread: Sequence[str] = ()
    dropped: int = 0


def add(
    connection: Connection[Any],
    job_id: str,
    *,
    digest: str,
    collection: str,
    request: Mapping[str, Any],
    estimate: Mapping[str, Any] | None,
) -> bool:
    """Write down a new job; False, and nothing is written, if one of this digest is active."""
    done = connection.execute(_INSERT, (job_id, digest, collection, Jsonb(request), Jsonb(estimate)))
    return done.rowcount == 1


def get(connection: Connection[Any], job_id: str) -> Job | None:
    """The job, as it stands; None where there is none."""
    found = get_many(connection, [job_id])
    return found[0] if found else None


def get_many(connection: Connection[Any], ids: Sequence[str]) -> list[Job]:
    """Those of `ids` that exist, the newest first."""
    with connection.cursor(row_factory=class_row(Job)) as cursor:
        return cursor.execute(f"{_SELECT} WHERE job.id = ANY(%s) ORDER BY created DESC, id", (list(ids),)).fetchall()


def get_active(connection: Connection[Any], digest: str) -> Job | None:
    """The job of this digest that waits or runs."""
    with connection.cursor(row_factory=class_row(Job)) as cursor:
        query = f"{_SELECT} WHERE digest = %s AND status = ANY(%s)"
        return cursor.execute(query, (digest, list(ACTIVE))).fetchone()


def planned(connection: Connection[Any], job_id: str, chunks: int) -> None:
    """The job runs, in so many chunks: also one that had ended, when its run is repeated; but no cancelled one."""
    query = (
        "UPDATE sen2extract.job SET updated = now(), status = 'running', chunks = %s, message = NULL, ended = NULL "
        "WHERE id = %s AND status <> 'cancelled'"
    )
    connection.execute(query, (chunks, job_id))


def remark(connection: Connection[Any], job_id: str, message: str) -> None:
    """Say what happens to a job that is active."""
    _update(connection, job_id, "message = %s", message)


def note(connection: Connection[Any], job_id: str, chunk: Chunk) -> None:
    """Write down how a chunk ended; told again, the last word counts."""
    values = (job_id, chunk.number, chunk.reason, chunk.rows, list(chunk.unread), chunk.dropped)
    connection.execute(_NOTE, values)
    _update(connection, job_id, "checked = now()")


def chunks(connection: Connection[Any], job_id: str) -> dict[int, Chunk]:
    """The chunks that have ended, by number."""
    query = "SELECT number, reason, rows, unread, dropped FROM sen2extract.job_chunk WHERE job = %s ORDER BY number"
    with connection.cursor(row_factory=class_row(Chunk)) as cursor:
        return {chunk.number: chunk for chunk in cursor.execute(query, (job_id,))}


def end(
    connection: Connection[Any],
    job_id: str,
    status: Status,
    message: str | None = None,
    *,
    results: Sequence[Mapping[str, Any]] = (),
    failures: Sequence[Mapping[str, Any]] = (),
) -> None:
    """The job has ended; one that has ended before stays as it was."""
    change = "status = %s, message = coalesce(%s, message), results = %s, failures = %s, ended = now()"
    _update(connection, job_id, change, status, message, Jsonb(list(results)), Jsonb(list(failures)))


def asked(connection: Connection[Any], job_id: str) -> None:
    """Airflow has just been asked about it."""
    connection.execute("UPDATE sen2extract.job SET checked = now() WHERE id = %s", (job_id,))


def remove(connection: Connection[Any], job_id: str) -> None:
    """Forget a job and its chunks; its files are removed before."""
    connection.execute("DELETE FROM sen2extract.job WHERE id = %s", (job_id,))


def older_than(connection: Connection[Any], age: timedelta) -> list[str]:
    """Ids of the jobs that ended so long ago, or that never ended in twice that time."""
    query = "SELECT id FROM sen2extract.job WHERE ended < now() - %s OR created < now() - 2 * %s ORDER BY created"
    return [row[0] for row in connection.execute(query, (age, age))]


def _update(connection: Connection[Any], job_id: str, change: LiteralString, *values: Any) -> None:
    """Change an active job: what has ended stays as it is."""
    # Every `change` stands above, in this module.
    query = f"UPDATE sen2extract.job SET updated = now(), {change} WHERE id = %s AND status = ANY(%s)"  # noqa: S608
    connection.execute(query, (*values, job_id, list(ACTIVE)))
