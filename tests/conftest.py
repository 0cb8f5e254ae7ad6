"""Real servers for the tests: PostgreSQL with PostGIS and pgSTAC, and an S3 store, each started once."""

import logging
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import hypothesis
import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "deploy" / "local"), str(ROOT / "tests")]

import objectstore  # noqa: E402 - deploy/local is no package
import postgres as pg  # noqa: E402
import processes  # noqa: E402
import waiting  # noqa: E402
from environment import WEED_OFFSETS  # noqa: E402
from waiting import wait_for  # noqa: E402

from stac.settings import Settings  # noqa: E402

# stac-fastapi's imports complain of names that `create_app` gives; a worker would say so after pytest's last line.
logging.getLogger("stac_fastapi.types.config").setLevel(logging.ERROR)

pytest_plugins = ("embedded", "parallel")

# No test asserts on time: two workers share the machine.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@pytest.fixture(scope="session")
def free_port() -> Callable[..., int]:
    """A function that finds a port on which nothing listens, nor at given offsets from it."""
    return waiting.free_port


@pytest.fixture(scope="module", autouse=True)
def _environment() -> Iterator[None]:
    """Give each module the environment back as it was: a service sets GDAL's in its own process, which is ours here."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real Sentinel-2 products beside the repository, which is not part of it."""
    folder = Path(os.environ.get("SEN2EXTRACT_SHARED") or ROOT.parent / "shared") / "data"
    if not folder.is_dir():
        pytest.skip(f"no real products at {folder}: set SEN2EXTRACT_SHARED to the folder that holds data/")
    return folder


@pytest.fixture(scope="session")
def schemas() -> Path:
    """The mirror of the STAC schemas beside the repository, which is not part of it; laid out as host/path."""
    folder = Path(os.environ.get("SEN2EXTRACT_SHARED") or ROOT.parent / "shared") / "tools" / "json-schemas"
    if not folder.is_dir():
        pytest.skip(f"no STAC schemas at {folder}: set SEN2EXTRACT_SHARED to the folder that holds tools/json-schemas")
    return folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[dict[str, str]]:
    """`PG*` values of a server on which databases may be made: the one given by `PGHOST`, else a private one."""
    if os.environ.get("PGHOST"):
        yield {name: value for name, value in os.environ.items() if name.startswith("PG")}
        return
    folder = Path(tempfile.mkdtemp(prefix="sen2extract-pg-"))
    folder.chmod(0o755)  # user postgres has to get in when we are root
    cluster = pg.Cluster(data=folder / "data", port=waiting.free_port(), user="tester", password=uuid.uuid4().hex)
    env = {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(cluster.port),
        "PGUSER": cluster.user,
        "PGPASSWORD": cluster.password,
    }
    cluster.create()
    with (folder / "log").open("wb") as log:
        server = cluster.start(log, fsync="off", synchronous_commit="off", full_page_writes="off")
    wait_for(lambda: pg.answers(env), f"PostgreSQL ({folder}/log)")
    yield env
    server.send_signal(pg.FAST_STOP)
    server.wait(30)
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def store() -> Iterator[dict[str, str]]:
    """Address and keys of a private S3 store, under the names of the settings."""
    folder = Path(tempfile.mkdtemp(prefix="s2e-s3-"))
    server = objectstore.Store(
        folder=folder, port=waiting.free_port(WEED_OFFSETS.values()), access_key="tester", secret_key="t3st-only"
    )
    server.configure()
    values = {
        "s3_endpoint": f"http://127.0.0.1:{server.port}",
        "aws_access_key_id": server.access_key,
        "aws_secret_access_key": server.secret_key,
    }
    with (folder / "log").open("wb") as log:
        process = server.start(log)
    wait_for(lambda: _has_bucket(values, "probe"), f"SeaweedFS ({folder}/log)")
    yield values
    processes.stop(process.pid, patience=10)
    process.wait()
    shutil.rmtree(folder)


def _has_bucket(store: dict[str, str], name: str) -> bool:
    endpoint, key, secret = store.values()
    return objectstore.has_bucket(endpoint, key, secret, "us-east-1", name)


@pytest.fixture(scope="session")
def template(postgres: dict[str, str]) -> Iterator[str]:
    """Name of a migrated, empty database to copy."""
    from stac import catalog

    name = f"template_{uuid.uuid4().hex[:8]}"
    pg.ensure_database(postgres, name)
    catalog.migrate(Settings(pg_dsn=pg.conninfo(postgres, name)))
    yield name
    _drop(postgres, name)


@pytest.fixture(scope="session")
def copied(postgres: dict[str, str]) -> Callable[[str], AbstractContextManager[str]]:
    """Copies a database, by name, to which nobody is connected; yields the copy's connection string, and drops it."""

    @contextmanager
    def copy(original: str) -> Iterator[str]:
        name = f"test_{uuid.uuid4().hex[:8]}"
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(original))
        with psycopg.connect(pg.conninfo(postgres, "postgres"), autocommit=True) as connection:
            connection.execute(statement)
        yield pg.conninfo(postgres, name)
        _drop(postgres, name)

    return copy


@pytest.fixture(scope="module")
def database(copied: Callable[[str], AbstractContextManager[str]], template: str) -> Iterator[str]:
    """libpq connection string of a fresh database with pgSTAC, our tables and our collections."""
    with copied(template) as dsn:
        yield dsn


def _drop(server: dict[str, str], name: str) -> None:
    with psycopg.connect(pg.conninfo(server, "postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def in_a_bucket(store: dict[str, str]) -> Callable[[str], Settings]:
    """Makes settings of a database, by its connection string, and of a fresh bucket."""

    def make(dsn: str) -> Settings:
        bucket = f"test-{uuid.uuid4().hex[:8]}"
        wait_for(lambda: _has_bucket(store, bucket), f"bucket {bucket}")
        endpoint, key, secret = store.values()
        return Settings(
            pg_dsn=dsn,
            s3_endpoint=endpoint,
            s3_public_url=f"{endpoint}/{bucket}",
            s3_bucket=bucket,
            aws_access_key_id=key,
            aws_secret_access_key=SecretStr(secret),
        )

    return make


@pytest.fixture(scope="module")
def settings(database: str, in_a_bucket: Callable[[str], Settings]) -> Settings:
    """Settings of a fresh database and a fresh bucket."""
    return in_a_bucket(database)
