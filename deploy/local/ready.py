"""What tells that a part of the stack is ready, and waiting for it with the one patience there is."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import manager
import postgres
import processes
from environment import Stack
from minio.error import S3Error
from objectstore import has_bucket

PATIENCE = 180.0
#: A server that is not ours runs already, or hardly ever will.
PATIENCE_WITH_OTHERS = 20.0
#: After so many starts of a process that ends again `make up` waits no longer, though the manager goes on trying.
TRIES = 3


class StackError(RuntimeError):
    """The stack cannot start; the message names the service and what to do."""


def database(stack: Stack) -> None:
    """Wait for PostgreSQL, ours or another."""
    elsewhere = "" if stack.own_postgres else f"{stack.env['PGHOST']}:{stack.env.get('PGPORT', '5432')}"
    _store(stack, "postgres", "PostgreSQL", elsewhere, lambda: postgres.answers(stack.env))


def bucket(stack: Stack) -> None:
    """Wait for the object store, ours or another, and make the bucket."""
    elsewhere = "" if stack.own_store else stack.env["S3_ENDPOINT"]
    _store(stack, "s3", "object store", elsewhere, lambda: _bucket(stack))


def services(stack: Stack) -> None:
    """Wait for the two services, the gateway and Airflow."""
    _own(stack, "stac", "stac", lambda: _ok(f"http://{stack.env['STAC_UPSTREAM']}/readyz"))
    _own(stack, "tiler", "tiler", lambda: _ok(f"http://{stack.env['TILER_UPSTREAM']}/readyz"))
    _own(stack, "gateway", "gateway", lambda: _ok(f"{stack.url}/readyz"))
    _own(stack, "airflow-api", "Airflow", lambda: _airflow(stack))


@contextmanager
def step(what: str) -> Iterator[None]:
    """Print a line before a step and its duration after it."""
    print(f"  {what} … ", end="", flush=True)
    start = time.monotonic()
    try:
        yield
    except BaseException:
        print("failed", flush=True)
        raise
    print(f"{time.monotonic() - start:.1f} s", flush=True)


def _store(stack: Stack, name: str, what: str, elsewhere: str, ready: Callable[[], bool]) -> None:
    if not elsewhere:
        _own(stack, name, what, ready)
        return
    late = f"No {what} answers at {elsewhere}: start it, or correct its address."
    _wait(f"{what} at {elsewhere}", ready, PATIENCE_WITH_OTHERS, lambda: late)


def _own(stack: Stack, name: str, what: str, ready: Callable[[], bool]) -> None:
    before = manager.starts(stack)
    log = stack.log / f"{name}.log"

    def late() -> str:
        return f"{name} is not healthy after {PATIENCE:.0f} s. {log}:\n{processes.tail(log)}"

    def ended() -> str:
        """The process waited for may be fine and wait for another that is not."""
        tried = manager.starts(stack) - before
        for state in manager.states(stack).values():
            if state.state == "gave up" or (state.state == "restarting" and tried[state.name] >= TRIES - 1):
                path = stack.log / f"{state.name}.log"
                return f"{state.name} does not start: it ends again and again. {path}:\n{processes.tail(path)}"
        return ""

    _wait(what, ready, PATIENCE, late, ended)


def _wait(
    what: str, ready: Callable[[], bool], patience: float, late: Callable[[], str], ended: Callable[[], str] = str
) -> None:
    """Wait until something is ready; raises `StackError` with what `late` says in the end, or `ended` before."""
    with step(what):
        deadline = time.monotonic() + patience
        while not ready():
            if why := ended():
                raise StackError(why)
            if time.monotonic() > deadline:
                raise StackError(late())
            time.sleep(0.2)


def _bucket(stack: Stack) -> bool:
    names = ("S3_ENDPOINT", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "S3_BUCKET")
    try:
        return has_bucket(*(stack.env[name] for name in names))
    except S3Error as error:
        raise StackError(f"The store at {stack.env['S3_ENDPOINT']} refused: {error.code}, {error.message}") from error


def _ok(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _airflow(stack: Stack) -> bool:
    parts = airflow_health(stack)
    return all(
        parts.get(name, {}).get("status") == "healthy" for name in ("metadatabase", "scheduler", "dag_processor")
    )


def airflow_health(stack: Stack) -> dict[str, Any]:
    """Return what Airflow says of its parts, nothing when it does not answer."""
    try:
        answer = httpx.get(f"{stack.airflow_url}/api/v2/monitor/health", timeout=5, trust_env=False)
    except httpx.HTTPError:
        return {}
    told: dict[str, Any] = answer.json() if answer.is_success else {}
    return told
