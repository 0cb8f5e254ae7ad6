"""Where the embedded stack lives, which ports it takes and the environment its processes share."""

import base64
import os
import secrets
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

#: Variable -> default port. Every other port is derived from one of these.
PORTS = {
    "SEN2EXTRACT_PORT": 8000,
    "SEN2EXTRACT_STAC_PORT": 8001,
    "SEN2EXTRACT_TILER_PORT": 8002,
    "SEN2EXTRACT_AIRFLOW_PORT": 8080,
    "SEN2EXTRACT_S3_PORT": 8333,
    "SEN2EXTRACT_PG_PORT": 54329,
}
#: SeaweedFS runs several servers in one process; each needs a port near the S3 one.
WEED_OFFSETS = {
    "s3.port.grpc": 1,
    "master.port": 2,
    "master.port.grpc": 3,
    "volume.port": 4,
    "volume.port.grpc": 5,
    "filer.port": 6,
    "filer.port.grpc": 7,
    "admin.port": 8,
    "admin.port.grpc": 10_008,  # its workers look for it 10000 above the other, whatever is set
}
#: What tells an S3 store.
_STORE = ("S3_ENDPOINT", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
#: In `.local/env`: which servers are not ours, and the password of our own database meanwhile.
_ELSEWHERE = "SEN2EXTRACT_ELSEWHERE"
_OWN_PASSWORD = "SEN2EXTRACT_OWN_PGPASSWORD"  # noqa: S105 - the name of a variable
SECRETS = ("PGPASSWORD", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AIRFLOW_FERNET_KEY", "AIRFLOW_SECRET_KEY")


@dataclass(frozen=True, kw_only=True)
class Stack:
    """One embedded stack: its folder, its ports, and what it takes from elsewhere instead of starting it."""

    home: Path
    ports: Mapping[str, int]
    env: Mapping[str, str]
    own_postgres: bool
    own_store: bool

    @property
    def log(self) -> Path:
        """Folder of the log files, one per process."""
        return self.home / "log"

    @property
    def run(self) -> Path:
        """Folder of the process manager: its socket, configuration and pid; ours alone."""
        return self.home / "run"

    @property
    def url(self) -> str:
        """Address of the gateway."""
        return self.env["PUBLIC_URL"]

    @property
    def airflow_url(self) -> str:
        """Address of Airflow."""
        return self.env["AIRFLOW__API__BASE_URL"]


def load(environ: Mapping[str, str] = os.environ) -> Stack:
    """Read the environment and `.local/env`; write the latter, with fresh secrets, when it is the first time."""
    home = Path(environ.get("SEN2EXTRACT_HOME") or ROOT / ".local").resolve()
    kept = read_env(home / "env")
    ports = {name: int(environ.get(name) or kept.get(name) or default) for name, default in PORTS.items()}
    given = _with_remembered(environ, kept)
    own_postgres = _is_ours(given.get("PGHOST"), given.get("PGPORT"), ports["SEN2EXTRACT_PG_PORT"])
    own_store = given.get("S3_ENDPOINT") in {None, "", f"http://127.0.0.1:{ports['SEN2EXTRACT_S3_PORT']}"}
    for folder in (home, home / "log", home / "run", home / "inbox"):
        folder.mkdir(parents=True, exist_ok=True)
    (home / "run").chmod(0o700)
    public = _public(home, ports, given, kept, own_postgres=own_postgres, own_store=own_store)
    _write_env(home / "env", public)
    executor = given.get("AIRFLOW__CORE__EXECUTOR") or "LocalExecutor"
    env = {**given, **public, **_processes(home, ports, public, executor)}
    return Stack(home=home, ports=ports, env=env, own_postgres=own_postgres, own_store=own_store)


def read_env(path: Path) -> dict[str, str]:
    """Parse a file of `NAME=value` lines, values quoted for a shell; empty when there is none."""
    if not path.exists():
        return {}
    pairs = (line.split("=", 1) for line in path.read_text().splitlines() if "=" in line and not line.startswith("#"))
    return {name: "".join(shlex.split(value)) for name, value in pairs}


def _write_env(path: Path, values: Mapping[str, str]) -> None:
    head = "# Written by `make up`; use it with: set -a; . .local/env; set +a\n"
    text = head + "".join(f"{name}={shlex.quote(value)}\n" for name, value in sorted(values.items()))
    if path.exists() and path.read_text() == text:
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def _with_remembered(environ: Mapping[str, str], kept: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with the addresses of servers elsewhere that were given before, unless others are now.

    An empty `PGHOST` or `S3_ENDPOINT` is for our own server again.
    """
    elsewhere = _elsewhere(kept)
    given = dict(environ)
    if "postgres" in elsewhere and "PGHOST" not in given:
        given = {name: value for name, value in kept.items() if name.startswith("PG")} | given
    if "s3" in elsewhere and "S3_ENDPOINT" not in given:
        # The keys belong to the address: those of the moment may be for another store.
        given |= {name: kept[name] for name in _STORE if name in kept}
    return given


def _elsewhere(kept: Mapping[str, str]) -> list[str]:
    return kept.get(_ELSEWHERE, "").split(",")


def _is_ours(host: str | None, port: str | None, own_port: int) -> bool:
    return not host or (host == "127.0.0.1" and port == str(own_port))


def _public(
    home: Path,
    ports: Mapping[str, int],
    given: Mapping[str, str],
    kept: Mapping[str, str],
    *,
    own_postgres: bool,
    own_store: bool,
) -> dict[str, str]:
    """Return what `.local/env` holds: all that the command line tool needs to work with this stack."""
    url = f"http://127.0.0.1:{ports['SEN2EXTRACT_PORT']}"
    made = {name: kept.get(name) or _secret(name) for name in SECRETS}
    # What the file holds of a server elsewhere is not for ours.
    if "postgres" in _elsewhere(kept):
        made["PGPASSWORD"] = kept.get(_OWN_PASSWORD) or _secret("PGPASSWORD")
    if "s3" in _elsewhere(kept):
        made |= {name: _secret(name) for name in _STORE[1:]}
    elsewhere = [name for name, ours in (("postgres", own_postgres), ("s3", own_store)) if not ours]
    values = {
        "PUBLIC_URL": given.get("PUBLIC_URL") or url,
        "S3_PUBLIC_URL": given.get("S3_PUBLIC_URL") or f"{given.get('PUBLIC_URL') or url}/data",
        "S3_BUCKET": given.get("S3_BUCKET") or "sen2extract",
        "AWS_REGION": given.get("AWS_REGION") or "us-east-1",
        "INGEST_INBOX": given.get("INGEST_INBOX") or str(home / "inbox"),
        "AIRFLOW_FERNET_KEY": made["AIRFLOW_FERNET_KEY"],
        "AIRFLOW_SECRET_KEY": made["AIRFLOW_SECRET_KEY"],
        # Remembered, so that the next command of make finds the stack.
        **{name: str(port) for name, port in ports.items() if port != PORTS[name]},
        **({_ELSEWHERE: ",".join(elsewhere)} if elsewhere else {}),
    }
    if own_postgres:
        values |= {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(ports["SEN2EXTRACT_PG_PORT"]),
            "PGUSER": "sen2extract",
            "PGDATABASE": "sen2extract",
            "PGPASSWORD": made["PGPASSWORD"],
        }
    else:
        values |= {name: value for name, value in given.items() if name.startswith("PG")}
        values[_OWN_PASSWORD] = made["PGPASSWORD"]
        values.setdefault("PGUSER", "postgres")
        values.setdefault("PGDATABASE", values["PGUSER"])
    if own_store:
        values |= {
            "S3_ENDPOINT": f"http://127.0.0.1:{ports['SEN2EXTRACT_S3_PORT']}",
            "AWS_ACCESS_KEY_ID": made["AWS_ACCESS_KEY_ID"],
            "AWS_SECRET_ACCESS_KEY": made["AWS_SECRET_ACCESS_KEY"],
        }
    else:
        values |= {name: given[name] for name in _STORE}
    return values


def _secret(name: str) -> str:
    if name == "AIRFLOW_FERNET_KEY":
        return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    return secrets.token_hex(20)


def _processes(home: Path, ports: Mapping[str, int], public: Mapping[str, str], executor: str) -> dict[str, str]:
    """Return what only the stack's own processes need: paths, ports, memory limits, Airflow's settings."""
    return {
        **{name: str(port) for name, port in ports.items()},
        "SEN2EXTRACT_HOME": str(home),
        "SEN2EXTRACT_LOG": str(home / "log"),
        "GATEWAY_ADDRESS": f"http://:{ports['SEN2EXTRACT_PORT']}",
        "GATEWAY_BIND": "127.0.0.1",
        "STAC_UPSTREAM": f"127.0.0.1:{ports['SEN2EXTRACT_STAC_PORT']}",
        "TILER_UPSTREAM": f"127.0.0.1:{ports['SEN2EXTRACT_TILER_PORT']}",
        "TILER_AIRFLOW_URL": f"http://127.0.0.1:{ports['SEN2EXTRACT_AIRFLOW_PORT']}",
        "XDG_DATA_HOME": str(home / "caddy"),
        "XDG_CONFIG_HOME": str(home / "caddy"),
        "PYTHONUNBUFFERED": "1",
        "MALLOC_ARENA_MAX": "2",
        "GDAL_CACHEMAX": "200",
        "GDAL_INGESTED_BYTES_AT_OPEN": "32768",
        "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
        "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
        "VSI_CACHE": "TRUE",
        "VSI_CACHE_SIZE": "5000000",
        **_airflow(home, ports["SEN2EXTRACT_AIRFLOW_PORT"], public, executor),
    }


def _airflow(home: Path, port: int, public: Mapping[str, str], executor: str) -> dict[str, str]:
    """Return Airflow's settings; anyone on this machine is admin, which is why it listens on loopback only."""
    url = f"http://127.0.0.1:{port}"
    database = public.get("SEN2EXTRACT_AIRFLOW_DB", "airflow")
    user, password = public["PGUSER"], public.get("PGPASSWORD", "")
    server = f"{public['PGHOST']}:{public.get('PGPORT', '5432')}"
    values = {
        "CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "CORE__EXECUTOR": executor,
        "CORE__PARALLELISM": "4",
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "CORE__FERNET_KEY": public["AIRFLOW_FERNET_KEY"],
        "API__HOST": "127.0.0.1",
        "API__PORT": str(port),
        "API__BASE_URL": url,
        "API__WORKERS": "1",
        "API__SECRET_KEY": public["AIRFLOW_SECRET_KEY"],
        "API_AUTH__JWT_SECRET": public["AIRFLOW_SECRET_KEY"],
        "DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{user}:{password}@{server}/{database}",
        "DAG_PROCESSOR__REFRESH_INTERVAL": "30",
        "DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "LOGGING__BASE_LOG_FOLDER": str(home / "airflow" / "logs"),
        "USAGE_DATA_COLLECTION__ENABLED": "False",
    }
    return {"AIRFLOW_HOME": str(home / "airflow"), **{f"AIRFLOW__{name}": value for name, value in values.items()}}
