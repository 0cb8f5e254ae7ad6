"""A private PostgreSQL cluster with PostGIS: find the programs, make the cluster, run it, make databases.

Run as a program it serves the stack's own cluster until told to stop.
"""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

import psycopg
from psycopg import sql

#: What makes PostgreSQL stop without waiting for its clients to leave.
FAST_STOP = signal.SIGINT
#: Small on purpose: a laptop runs this beside Airflow.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "120",
    "shared_buffers": "128MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "64MB",
    "max_wal_size": "512MB",
    "random_page_cost": "1.1",
    "jit": "off",
    "logging_collector": "off",
}


class PostgresError(RuntimeError):
    """PostgreSQL is missing or refused something; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A private cluster: its data folder, port, and superuser."""

    data: Path
    port: int
    user: str
    password: str

    def create(self) -> None:
        """Run `initdb` when there is no cluster yet."""
        if (self.data / "PG_VERSION").exists():
            return
        self.data.parent.mkdir(parents=True, exist_ok=True)
        self.data.mkdir(exist_ok=True)
        self.data.chmod(0o700)
        owner = system_user()
        with tempfile.NamedTemporaryFile("w") as secret:
            secret.write(self.password)
            secret.flush()
            if owner is not None:
                os.chown(self.data, owner.pw_uid, owner.pw_gid)
                os.chown(secret.name, owner.pw_uid, owner.pw_gid)
            options = ["-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
            command: list[Path | str] = [
                programs() / "initdb",
                "-D",
                self.data,
                "-U",
                self.user,
                f"--pwfile={secret.name}",
                *options,
            ]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/", **as_user(owner))

    def start(self, log: IO[bytes] | None = None, **settings: str) -> subprocess.Popen[bytes]:
        """Start the server as a child process that writes to `log`; `settings` override the defaults."""
        chosen = SETTINGS | settings
        options = [text for name, value in chosen.items() for text in ("-c", f"{name}={value}")]
        command: list[Path | str] = [programs() / "postgres", "-D", self.data, "-p", str(self.port), *options]
        return subprocess.Popen(command, cwd="/", stdout=log, stderr=log, **as_user(system_user()))


def programs() -> Path:
    """Return the folder of the newest PostgreSQL programs that have PostGIS beside them."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("postgres")
    candidates = [path.parent for path in reversed(found)] + ([Path(on_path).resolve().parent] if on_path else [])
    for folder in candidates:
        if _has_postgis(folder):
            return folder
    raise PostgresError(
        "PostgreSQL with PostGIS is not installed. On Debian or Ubuntu: apt-get install postgresql-postgis "
        "(or postgresql-15-postgis-3), or set PGHOST, PGUSER, PGPASSWORD and PGDATABASE to a server that has it."
    )


def _has_postgis(folder: Path) -> bool:
    asked = subprocess.run([folder / "pg_config", "--sharedir"], capture_output=True, text=True, check=False)
    shared = Path(asked.stdout.strip() or f"/usr/share/postgresql/{folder.parts[-2]}")
    return (shared / "extension" / "postgis.control").exists()


def system_user() -> pwd.struct_passwd | None:
    """Return whom the server must run as: user `postgres` when we are root (it refuses root), else ourselves."""
    return pwd.getpwnam("postgres") if os.geteuid() == 0 else None


def as_user(owner: pwd.struct_passwd | None) -> dict[str, Any]:
    """Return the arguments that make `subprocess` drop privileges to that user."""
    if owner is None:
        return {}
    return {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}


def data_folder(home: Path) -> Path:
    """Return where the cluster's files go: in `home`, or in /var/lib where `home` is closed to user postgres."""
    owner = system_user()
    if owner is None or all(_may_enter(folder, owner) for folder in (home, *home.parents)):
        return home / "postgres"
    return Path("/var/lib/sen2extract") / sha256(str(home).encode()).hexdigest()[:12] / "postgres"


def _may_enter(folder: Path, owner: pwd.struct_passwd) -> bool:
    status = folder.stat()
    if status.st_uid == owner.pw_uid:
        return bool(status.st_mode & 0o100)
    return bool(status.st_mode & (0o010 if status.st_gid == owner.pw_gid else 0o001))


def conninfo(env: Mapping[str, str], database: str) -> str:
    """Return a libpq connection string from `PG*` values for one of the server's databases."""
    names = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGPASSWORD": "password", "PGSSLMODE": "sslmode"}
    given = {key: env[name] for name, key in names.items() if env.get(name)}
    return psycopg.conninfo.make_conninfo(**given, dbname=database, connect_timeout=3)


def ensure_database(env: Mapping[str, str], name: str) -> None:
    """Create a database when the server does not have it; raises `PostgresError` when it may not."""
    try:
        with psycopg.connect(conninfo(env, name)):
            return
    except psycopg.OperationalError as error:
        if "does not exist" not in str(error):
            raise
    try:
        with psycopg.connect(conninfo(env, "postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    except psycopg.Error as error:
        raise PostgresError(f"database {name!r} is missing and could not be made ({error}): create it") from error


def answers(env: Mapping[str, str]) -> bool:
    """Say whether the server accepts connections (a missing database still counts as an answer)."""
    try:
        with psycopg.connect(conninfo(env, "postgres")):
            return True
    except psycopg.OperationalError as error:
        return "does not exist" in str(error)


def main() -> int:
    """Serve the stack's cluster; SIGTERM and SIGINT stop it fast, without waiting for clients to leave."""
    home = Path(os.environ["SEN2EXTRACT_HOME"])
    cluster = Cluster(
        data=data_folder(home),
        port=int(os.environ["PGPORT"]),
        user=os.environ["PGUSER"],
        password=os.environ["PGPASSWORD"],
    )
    cluster.create()
    server = cluster.start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.send_signal(FAST_STOP))
    return server.wait()


if __name__ == "__main__":
    sys.exit(main())
