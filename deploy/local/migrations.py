"""Bring the stack's two databases up to date: ours through `sen2extract migrate`, Airflow's through `airflow db`."""

import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from zlib import crc32

import psycopg
from environment import ROOT
from postgres import conninfo
from processes import tail
from psycopg import sql

PATIENCE = 300
POOLS = ROOT / "dags" / "pools.json"


class MigrationError(RuntimeError):
    """A migration failed; the message ends with its output."""


def migrate(env: Mapping[str, str], log: Path) -> None:
    """Run both migrations at the same time; Airflow's, which takes long to find nothing to do, only when needed."""
    version = f"{airflow_version()}, pools {crc32(POOLS.read_bytes()):08x}"
    commands: dict[str, list[Path | str]] = {"migrate": [ROOT / ".venv/bin/sen2extract", "migrate"]}
    if _airflow_stamp(env) != version:
        steps = ("db", "migrate"), ("pools", "import", str(POOLS))
        script = " && ".join(shlex.join([str(ROOT / ".venv-airflow/bin/airflow"), *words]) for words in steps)
        commands["airflow-migrate"] = ["sh", "-c", script]
    started = {name: _start(command, log / f"{name}.log", env) for name, command in commands.items()}
    codes = {name: process.wait(PATIENCE) for name, process in started.items()}
    for name, code in codes.items():
        if code:
            path = log / f"{name}.log"
            raise MigrationError(f"`{' '.join(map(str, commands[name]))}` failed. {path}:\n{tail(path)}")
    if "airflow-migrate" in started:
        _stamp_airflow(env, version)


def airflow_database(env: Mapping[str, str]) -> str:
    """Return the name of Airflow's own database."""
    return env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].rpartition("/")[2]


def airflow_version() -> str:
    """Return the version installed in Airflow's environment."""
    found = sorted((ROOT / ".venv-airflow").glob("lib/python*/site-packages/apache_airflow_core-*.dist-info"))
    if not found:
        raise MigrationError("Airflow is not installed in .venv-airflow: run `make setup`.")
    return found[-1].name.split("-")[1].removesuffix(".dist")


def _start(command: list[Path | str], log: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    with log.open("a") as file:
        return subprocess.Popen(
            command, cwd=ROOT, env=dict(env), stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT
        )


def _airflow_stamp(env: Mapping[str, str]) -> str | None:
    """Return the version that migrated Airflow's database last, which its comment tells."""
    name = airflow_database(env)
    query = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s"
    with psycopg.connect(conninfo(env, name)) as connection:
        row = connection.execute(query, [name]).fetchone()
    return (row[0] or "").removeprefix("Airflow ") if row else None


def _stamp_airflow(env: Mapping[str, str], version: str) -> None:
    name = airflow_database(env)
    text = sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(name), sql.Literal(f"Airflow {version}"))
    with psycopg.connect(conninfo(env, name), autocommit=True) as connection:
        connection.execute(text)
