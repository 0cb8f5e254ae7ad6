"""Start, watch and stop the embedded stack: `python deploy/local/stack.py up|down|status|purge`.

honcho runs the processes of the Procfile in two groups, the stores and then the services, so that databases are
ready and migrated before anything uses them, and are stopped last.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import migrations
import postgres
import processes
from environment import ROOT, WEED_OFFSETS, Stack, load
from minio.error import S3Error
from objectstore import has_bucket

SERVICES = (
    "stac",
    "tiler",
    "gateway",
    "airflow-api",
    "airflow-scheduler",
    "airflow-dags",
    "airflow-triggerer",
)
PATIENCE = 180.0


class StackError(RuntimeError):
    """The stack cannot start; the message names the service and what to do."""


def main() -> int:
    """Run one command; errors a user can act on are printed without a traceback."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["up", "down", "status", "purge"])
    command = parser.parse_args().command
    try:
        return {"up": up, "down": down, "status": status, "purge": purge}[command](load())
    except (StackError, postgres.PostgresError, migrations.MigrationError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1


def up(stack: Stack) -> int:
    """Start what is not running, wait until it is healthy, and say where it is."""
    if not missing(stack):
        print(f"Already running: {stack.url}  ·  Airflow {stack.airflow_url}  ·  logs {stack.log}")
        return 0
    try:
        _start_stores(stack)
        _migrate(stack)
        _start_services(stack)
    except KeyboardInterrupt:
        down(stack)
        return 130
    print(f"Running: {stack.url}  ·  Airflow {stack.airflow_url}  ·  logs {stack.log}  ·  stop with `make down`")
    return 0


def down(stack: Stack) -> int:
    """Stop everything that was started here, the services first; data stay."""
    running = [group for group in ("services", "stores") if pid(stack, group)]
    if not running:
        print("Nothing is running.")
    for group in running:
        with step(f"stopping {group}"):
            processes.stop(pid(stack, group), patience=20)
            (stack.run / f"{group}.pid").unlink()
    return 0


def purge(stack: Stack) -> int:
    """Stop everything and remove its data, wherever they are."""
    down(stack)
    for folder in (
        postgres.data_folder(stack.home),
        *(stack.home / name for name in ("s3", "airflow", "inbox", "log")),
    ):
        shutil.rmtree(folder, ignore_errors=True)
    (stack.home / "env").unlink(missing_ok=True)
    print(f"Removed the database, bucket, inbox and logs of {stack.home}.")
    return 0


def status(stack: Stack) -> int:
    """Say what is running; 1 when something is not."""
    gone = missing(stack)
    print(f"not running: {', '.join(gone)}" if gone else f"running: {stack.url}  ·  Airflow {stack.airflow_url}")
    return 1 if gone else 0


def missing(stack: Stack) -> list[str]:
    """Return the groups of processes that should run and do not."""
    groups = ["stores", "services"] if _own(stack) else ["services"]
    return [group for group in groups if not pid(stack, group)]


def pid(stack: Stack, group: str) -> int:
    """Return the pid of the honcho that runs a group, 0 when there is none."""
    path = stack.run / f"{group}.pid"
    if not path.exists():
        return 0
    number, started = map(int, path.read_text().split())
    # A pid may belong to another process by now, after a restart of the machine for one.
    return number if processes.started(number) == started else 0


def _own(stack: Stack) -> list[str]:
    return ["postgres"] * stack.own_postgres + ["s3"] * stack.own_store


def _start_stores(stack: Stack) -> None:
    own = _own(stack)
    if own and not pid(stack, "stores"):
        if stack.own_postgres:
            postgres.programs()
        _refuse_taken_ports(_store_ports(stack))
        _honcho(stack, "stores", own)
    with step("PostgreSQL" if stack.own_postgres else f"PostgreSQL at {stack.env['PGHOST']}"):
        _wait(stack, "stores", "postgres", lambda: postgres.answers(stack.env))
    with step("object store" if stack.own_store else f"object store at {stack.env['S3_ENDPOINT']}"):
        _wait(stack, "stores", "s3", lambda: _bucket(stack))


def _bucket(stack: Stack) -> bool:
    names = ("S3_ENDPOINT", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "S3_BUCKET")
    try:
        return has_bucket(*(stack.env[name] for name in names))
    except S3Error as error:
        raise StackError(f"The store at {stack.env['S3_ENDPOINT']} refused: {error.code}, {error.message}") from error


def _migrate(stack: Stack) -> None:
    postgres.ensure_database(stack.env, stack.env["PGDATABASE"])
    postgres.ensure_database(stack.env, migrations.airflow_database(stack.env))
    with step("database migrations"):
        migrations.migrate(stack.env, stack.log)


def _start_services(stack: Stack) -> None:
    if not pid(stack, "services"):
        _refuse_taken_ports(_service_ports(stack))
        _honcho(stack, "services", list(SERVICES))
    with step("stac"):
        _wait(stack, "services", "stac", lambda: _ok(f"http://{stack.env['STAC_UPSTREAM']}/readyz"))
    with step("tiler"):
        _wait(stack, "services", "tiler", lambda: _ok(f"http://{stack.env['TILER_UPSTREAM']}/readyz"))
    with step("gateway"):
        _wait(stack, "services", "gateway", lambda: _ok(f"{stack.url}/readyz"))
    with step("Airflow"):
        _wait(stack, "services", "airflow-api", lambda: _airflow_healthy(stack))


def _store_ports(stack: Stack) -> dict[str, int]:
    ports = {}
    if stack.own_postgres:
        ports["SEN2EXTRACT_PG_PORT"] = stack.ports["SEN2EXTRACT_PG_PORT"]
    if stack.own_store:
        first = stack.ports["SEN2EXTRACT_S3_PORT"]
        ports["SEN2EXTRACT_S3_PORT"] = first
        ports |= {f"SEN2EXTRACT_S3_PORT + {offset}": first + offset for offset in WEED_OFFSETS.values()}
    return ports


def _service_ports(stack: Stack) -> dict[str, int]:
    names = ("SEN2EXTRACT_PORT", "SEN2EXTRACT_STAC_PORT", "SEN2EXTRACT_TILER_PORT", "SEN2EXTRACT_AIRFLOW_PORT")
    return {name: stack.ports[name] for name in names}


def _refuse_taken_ports(ports: dict[str, int]) -> None:
    busy = processes.taken(ports)
    if busy:
        named = ", ".join(f"{port} ({name})" for name, port in busy.items())
        variable = next(iter(busy)).partition(" ")[0]
        raise StackError(f"Ports in use by another program: {named}. Set {variable} to a free one and try again.")


def _honcho(stack: Stack, group: str, names: list[str]) -> None:
    command = [sys.executable, "-m", "honcho", "start", "--no-colour", "-f", "deploy/local/Procfile", "-d", str(ROOT)]
    # `-e /dev/null`: honcho would read a `.env` of the user's into the stack.
    command += ["-e", "/dev/null", *names]
    with (stack.log / f"{group}.log").open("a") as log:
        started = subprocess.Popen(
            command,
            cwd=ROOT,
            env=dict(stack.env),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    (stack.run / f"{group}.pid").write_text(f"{started.pid} {processes.started(started.pid)}")


def _wait(stack: Stack, group: str, name: str, ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not ready():
        if (group == "services" or _own(stack)) and not pid(stack, group):
            raise StackError(_post_mortem(stack, group, f"{name} did not start: a process of its group stopped."))
        if time.monotonic() > deadline:
            log = stack.log / f"{name}.log"
            raise StackError(f"{name} is not healthy after {PATIENCE:.0f} s. {log}:\n{processes.tail(log)}")
        time.sleep(0.2)


def _post_mortem(stack: Stack, group: str, message: str) -> str:
    """Return the log of the process that ended first, which honcho names."""
    journal = processes.tail(stack.log / f"{group}.log", 60).splitlines()
    start = max((i for i, line in enumerate(journal) if " started (pid=" in line), default=0)
    first = next((line for line in journal[start:] if " stopped (rc=" in line), "")
    name = first.partition("|")[2].strip().partition(" ")[0]
    log = stack.log / f"{name or group}.log"
    return f"{message} {log}:\n{processes.tail(log)}"


def _ok(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _airflow_healthy(stack: Stack) -> bool:
    try:
        answer = httpx.get(f"{stack.airflow_url}/api/v2/monitor/health", timeout=5, trust_env=False)
    except httpx.HTTPError:
        return False
    if not answer.is_success:
        return False
    parts = answer.json()
    return all(parts[name]["status"] == "healthy" for name in ("metadatabase", "scheduler", "dag_processor"))


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


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
