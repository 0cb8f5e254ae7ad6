"""A private PostgreSQL cluster with PostGIS: find the programs, make the cluster, run it, make databases.

Run as a program it serves the stack's own cluster until told to stop.
"""

import os
import pwd
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
from programs import PostgresError, programs
from psycopg import sql
from psycopg.pq import PGconn, Ping

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


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A private cluster: its data folder, port, and superuser."""

    data: Path
    port: int
    user: str
    password: str

    def create(self) -> None:
        """Run `initdb` when there is no cluster yet; raises `PostgresError` when it fails, which has said why."""
        if (self.data / "PG_VERSION").exists():
            return
        owner = system_user()
        _make_enterable(self.data.parent, owner)
        self.data.mkdir(exist_ok=True)
        self.data.chmod(0o700)
        # Beside the data, where the server's user may come: the folder of temporary files may be closed to it.
        with tempfile.NamedTemporaryFile("w", dir=self.data.parent) as secret:
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
            done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL, cwd="/", **as_user(owner))
            if done.returncode:
                raise PostgresError(f"initdb could not make a cluster in {self.data}; it said above why.")

    def command(self, **settings: str) -> list[str]:
        """Return the command that serves it; `settings` override the defaults."""
        options = [text for name, value in (SETTINGS | settings).items() for text in ("-c", f"{name}={value}")]
        return [str(programs() / "postgres"), "-D", str(self.data), "-p", str(self.port), *options]

    def start(self, log: IO[bytes] | None = None, **settings: str) -> subprocess.Popen[bytes]:
        """Start the server as a child process that writes to `log`."""
        return subprocess.Popen(self.command(**settings), cwd="/", stdout=log, stderr=log, **as_user(system_user()))


def system_user() -> pwd.struct_passwd | None:
    """Return whom the server must run as: user `postgres` when we are root (it refuses root), else ourselves."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        raise PostgresError("PostgreSQL refuses to run as root, and there is no user postgres: adduser it") from None


def _make_enterable(folder: Path, owner: pwd.struct_passwd | None) -> None:
    """Make a folder and its parents; where another user shall enter them, whatever the umask says."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in made if owner else ():
        path.chmod(0o755)


def as_user(owner: pwd.struct_passwd | None) -> dict[str, Any]:
    """Return the arguments that make `subprocess` drop privileges to that user."""
    if owner is None:
        return {}
    return {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}


def data_folder(home: Path) -> Path:
    """Return where the cluster's files go: in `home`, or in /var/lib where `home` is closed to user postgres.

    A cluster that is there already is kept to, whatever has become of the rights, or of the path of `home`, since: one
    outside is linked to from inside.
    """
    owner = system_user()
    inside = home / "postgres"
    if owner is None:
        return inside
    outside = Path("/var/lib/sen2extract") / sha256(str(home).encode()).hexdigest()[:12] / "postgres"
    there = [folder for folder in (inside, outside) if (folder / "PG_VERSION").exists()]
    if there:
        return there[0].resolve()
    enterable = all(_may_enter(folder, owner) for folder in (home, *home.parents))
    return inside if enterable and not inside.is_symlink() else outside


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
    """Create a database when the server does not have it; raises `PostgresError` when it may not.

    Which it is, is looked up: the server may say "does not exist" in any language.
    """
    try:
        with psycopg.connect(conninfo(env, name)):
            return
    except psycopg.OperationalError as error:
        refused = _first_line(error)
    try:
        with psycopg.connect(conninfo(env, "postgres"), autocommit=True) as connection:
            if connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
                return
    except psycopg.Error as error:
        raise PostgresError(
            f"Database {name!r} cannot be entered ({refused}) and could not be made ({_first_line(error)}): "
            "check PGUSER and PGPASSWORD, or create it."
        ) from error
    raise PostgresError(f"Database {name!r} cannot be entered: {refused}. Check PGUSER and PGPASSWORD.")


def _first_line(error: psycopg.Error) -> str:
    return str(error).partition("\n")[0]


def answers(env: Mapping[str, str]) -> bool:
    """Say whether the server accepts connections, whomever it will let in."""
    return PGconn.ping(conninfo(env, "postgres").encode()) == Ping.OK


def main() -> None:
    """Become the server of the stack's cluster: whoever signals or kills this process, signals or kills the server."""
    home = Path(os.environ["SEN2EXTRACT_HOME"])
    cluster = Cluster(
        data=data_folder(home),
        port=int(os.environ["PGPORT"]),
        user=os.environ["PGUSER"],
        password=os.environ["PGPASSWORD"],
    )
    cluster.create()
    if cluster.data.parent != home:
        (home / "postgres").unlink(missing_ok=True)
        (home / "postgres").symlink_to(cluster.data)  # which finds it when `home` is moved
    command, owner = cluster.command(), system_user()
    os.chdir("/")
    if owner is not None:
        os.setgroups([])
        os.setgid(owner.pw_gid)
        os.setuid(owner.pw_uid)
    os.execv(command[0], command)  # noqa: S606 - becomes the server, no shell wanted


if __name__ == "__main__":
    try:
        main()
    except PostgresError as error:
        sys.exit(str(error))
