"""Start, watch and stop the embedded stack: `python deploy/local/stack.py up|down|status|purge`.

supervisor runs the processes (`services.py`) and starts again what ends. Here is the order: the stores, then the
migrations, then the services, so that databases are ready before anything uses them; they are stopped last.
"""

import argparse
import fcntl
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import manager
import migrations
import ports
import postgres
import ready
import room
import status
from environment import ROOT, Stack, load
from manager import ManagerError
from programs import PostgresError, programs
from ready import StackError, step
from services import SERVICES

#: Variables beginning so are settings: when they differ, processes have to be started with the new ones.
SETTINGS = (
    "SEN2EXTRACT_",
    "PG",
    "PUBLIC_URL",
    "S3_",
    "AWS_",
    "STAC_",
    "TILER_",
    "INGEST_",
    "CDSE_",
    "AIRFLOW",
    "GATEWAY_",
)


def main() -> int:
    """Run one command; errors a user can act on are printed without a traceback."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["up", "down", "status", "purge"])
    parser.add_argument("--json", action="store_true", help="with status: as JSON")
    given = parser.parse_args()
    try:
        stack = load()
        if given.command == "status":
            return tell(stack, as_json=given.json)
        with _alone(stack):
            return {"up": up, "down": down, "purge": purge}[given.command](stack)
    except (StackError, ManagerError, PostgresError, migrations.MigrationError) as error:
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
        if names := changed(stack):
            print(f"It was started with another {', '.join(names)}: `make down`, then `make up` takes that of now.")
        return 0
    if manager.pid(stack) and (names := changed(stack)):
        print(f"{', '.join(names)} changed since it was started: all is started anew.")
        down(stack)
    elif not manager.pid(stack):
        manager.stop(stack)  # what one that was killed left behind has our ports
    # One that the manager is about to start again may have its port this very moment.
    idle = [name for name, state in manager.states(stack).items() if state.state in {"stopped", "gave up"}]
    ports.refuse_taken(stack, idle)
    room.refuse_none(stack)
    try:
        _start(stack)
    except KeyboardInterrupt:
        print("\nInterrupted: what was started is stopped again.")
        down(stack)
        return 130
    print(f"Running: {stack.url}  ·  Airflow {stack.airflow_url}  ·  logs {stack.log}  ·  stop with `make down`")
    return 0


def down(stack: Stack) -> int:
    """Stop everything that was started here, the services first; data stay."""
    if not manager.is_known(stack):
        print("Nothing is running.")
        return 0
    with step("stopping"):
        manager.stop(stack)
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
        (stack.home / "postgres").unlink(missing_ok=True)
    left = [str(folder) for folder in folders if folder.exists()]
    if left:
        raise StackError(f"Could not remove all of {', '.join(left)}: are they another user's?")
    (stack.home / "env").unlink(missing_ok=True)
    print(f"Removed the database, bucket, inbox and logs of {stack.home}.")
    return 0


def tell(stack: Stack, *, as_json: bool = False) -> int:
    """Say what is running; 1 when something is not."""
    states = manager.states(stack).values()
    if scarce := room.warning(stack):
        print(scarce, file=sys.stderr)
    print(status.document(stack, states) if as_json else status.told(stack, states))
    return 1 if missing(stack) else 0


def missing(stack: Stack) -> list[str]:
    """Return the processes that should run and do not."""
    return [name for name, state in manager.states(stack).items() if state.state != "running"]


def _start(stack: Stack) -> None:
    names = manager.wanted(stack)
    if stack.own_postgres:
        programs()
    manager.start(stack)
    _run(stack, [name for name in names if SERVICES[name].group == "stores"])
    ready.database(stack)
    ready.bucket(stack)
    postgres.ensure_database(stack.env, stack.env["PGDATABASE"])
    postgres.ensure_database(stack.env, migrations.airflow_database(stack.env))
    with step("database migrations"):
        migrations.migrate(stack.env, stack.log)
    _run(stack, [name for name in names if SERVICES[name].group == "services"])
    ready.services(stack)


def _run(stack: Stack, names: list[str]) -> None:
    for name in names:
        manager.run(stack, name)


def changed(stack: Stack) -> list[str]:
    """Return the settings of now that the running manager does not hand down."""
    then = manager.environment(stack)
    names = sorted(name for name in {*stack.env, *then} if name.startswith(SETTINGS))
    return [name for name in names if stack.env.get(name) != then.get(name)]


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
