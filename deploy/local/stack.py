"""Start, watch and stop the embedded stack: `python deploy/local/stack.py up|down|status|purge`.

honcho runs the processes of the Procfile in two groups, the stores and then the services, so that databases are
ready and migrated before anything uses them, and are stopped last.
"""

import argparse
import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import httpx
import migrations
import postgres
import processes
from environment import ROOT, WEED_OFFSETS, Stack, load
from minio.error import S3Error
from objectstore import has_bucket
from programs import PostgresError, programs

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
#: A server that is not ours runs already, or hardly ever will.
PATIENCE_WITH_OTHERS = 20.0


class StackError(RuntimeError):
    """The stack cannot start; the message names the service and what to do."""


def main() -> int:
    """Run one command; errors a user can act on are printed without a traceback."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["up", "down", "status", "purge"])
    command = parser.parse_args().command
    try:
        stack = load()
        if command == "status":
            return status(stack)
        with _alone(stack):
            return {"up": up, "down": down, "purge": purge}[command](stack)
    except (StackError, PostgresError, migrations.MigrationError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. `make status` says what runs, `make down` stops it.", file=sys.stderr)
        return 130


@contextmanager
def _alone(stack: Stack) -> Iterator[None]:
    """Let one command change the stack at a time; another one waits."""
    with (stack.run / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("  another `make` starts or stops this stack: waiting for it", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def up(stack: Stack) -> int:
    """Start what is not running, wait until it is healthy, and say where it is."""
    if not missing(stack):
        print(f"Already running: {stack.url}  ·  Airflow {stack.airflow_url}  ·  logs {stack.log}")
        return 0
    _refuse_taken_ports(stack)
    try:
        _start_stores(stack)
        _migrate(stack)
        _start_services(stack)
    except KeyboardInterrupt:
        print("\nInterrupted: what was started is stopped again.")
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
    database = postgres.data_folder(stack.home)
    folders = [database, *(stack.home / name for name in ("s3", "airflow", "caddy", "inbox", "log"))]
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    if database.parent != stack.home:  # in /var/lib, where its folder was made for it alone
        shutil.rmtree(database.parent, ignore_errors=True)
    left = [str(folder) for folder in folders if folder.exists()]
    if left:
        raise StackError(f"Could not remove all of {', '.join(left)}: are they another user's?")
    (stack.home / "env").unlink(missing_ok=True)
    print(f"Removed the database, bucket, inbox and logs of {stack.home}.")
    return 0


def status(stack: Stack) -> int:
    """Say what is running; 1 when something is not."""
    gone = missing(stack)
    running = f"running: {stack.url}  ·  Airflow {stack.airflow_url}"
    print(f"not running: {', '.join(gone)}; start with `make up`" if gone else running)
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
            programs()
        _honcho(stack, "stores", own)
    _await_store(stack, "postgres", "PostgreSQL", "" if stack.own_postgres else _server(stack))
    _await_store(stack, "s3", "object store", "" if stack.own_store else stack.env["S3_ENDPOINT"])


def _await_store(stack: Stack, name: str, what: str, elsewhere: str) -> None:
    """Wait for a store of ours, or, not as long, for one that runs elsewhere."""
    ready = {"postgres": lambda: postgres.answers(stack.env), "s3": lambda: _bucket(stack)}[name]
    if not elsewhere:
        with step(what):
            _wait(stack, "stores", name, ready)
        return
    with step(f"{what} at {elsewhere}"):
        deadline = time.monotonic() + PATIENCE_WITH_OTHERS
        while not ready():
            if time.monotonic() > deadline:
                raise StackError(f"No {what} answers at {elsewhere}: start it, or correct its address.")
            time.sleep(0.5)


def _server(stack: Stack) -> str:
    return f"{stack.env['PGHOST']}:{stack.env.get('PGPORT', '5432')}"


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
        _honcho(stack, "services", list(SERVICES))
    with step("stac"):
        _wait(stack, "services", "stac", lambda: _ok(f"http://{stack.env['STAC_UPSTREAM']}/readyz"))
    with step("tiler"):
        _wait(stack, "services", "tiler", lambda: _ok(f"http://{stack.env['TILER_UPSTREAM']}/readyz"))
    with step("gateway"):
        _wait(stack, "services", "gateway", lambda: _ok(f"{stack.url}/readyz"))
    with step("Airflow"):
        _wait(stack, "services", "airflow-api", lambda: _airflow_healthy(stack))


def _ports(stack: Stack) -> dict[str, list[int]]:
    """Return the ports that what is not running would take, by the variable that sets them."""
    names: list[str] = []
    if not pid(stack, "stores"):
        names += ["SEN2EXTRACT_PG_PORT"] * stack.own_postgres + ["SEN2EXTRACT_S3_PORT"] * stack.own_store
    if not pid(stack, "services"):
        names += ["SEN2EXTRACT_PORT", "SEN2EXTRACT_STAC_PORT", "SEN2EXTRACT_TILER_PORT", "SEN2EXTRACT_AIRFLOW_PORT"]
    return {name: _block(name, stack.ports[name]) for name in names}


def _block(variable: str, first: int) -> list[int]:
    offsets = WEED_OFFSETS.values() if variable == "SEN2EXTRACT_S3_PORT" else ()
    return [first, *(first + offset for offset in offsets)]


def _refuse_taken_ports(stack: Stack) -> None:
    """Raise `StackError` when another program has a port, with the command that takes free ones."""
    wanted = _ports(stack)
    busy = {name: taken for name, block in wanted.items() if (taken := processes.taken(block))}
    if not busy:
        return
    named = ", ".join(f"{' '.join(map(str, ports))} ({name})" for name, ports in busy.items())
    others = {name: _free(name, stack.ports[name], stack.ports) for name in busy}
    command = " ".join(f"{name}={port}" for name, port in others.items())
    raise StackError(
        f"Ports in use by another program: {named}. Take others, once; they are remembered:\n  {command} make up"
    )


def _free(variable: str, start: int, others: Mapping[str, int]) -> int:
    """Return a first port near another whose whole block is free, and nobody else's here."""
    reserved = {port for name, first in others.items() if name != variable for port in _block(name, first)}
    candidates = (port for port in range(start + 20, start + 2000, 20))
    blocks = (block for port in candidates if reserved.isdisjoint(block := _block(variable, port)))
    return next((block[0] for block in blocks if not processes.taken(block)), start)


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
