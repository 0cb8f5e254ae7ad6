"""A private PostgreSQL and S3 store to measure on, as the tests have them."""

import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from pydantic import SecretStr

from stac import catalog
from stac.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "deploy" / "local"), str(ROOT / "tests")]

import objectstore  # noqa: E402 - deploy/local is no package
import postgres as pg  # noqa: E402
import processes  # noqa: E402
from environment import WEED_OFFSETS  # noqa: E402
from waiting import free_port, wait_for  # noqa: E402

_BUCKET = "bench"
_PATIENCE = 60


@contextmanager
def servers() -> Iterator[Settings]:
    """Settings of a migrated, empty catalogue and an empty bucket; both are gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="s2e-bench-"))
    folder.chmod(0o755)  # user postgres has to get in when we are root
    with _database(folder / "pg") as dsn, _store(folder / "s3") as (endpoint, key, secret):
        settings = Settings(
            pg_dsn=dsn,
            s3_endpoint=endpoint,
            s3_public_url=f"{endpoint}/{_BUCKET}",
            s3_bucket=_BUCKET,
            aws_access_key_id=key,
            aws_secret_access_key=SecretStr(secret),
        )
        catalog.migrate(settings)
        yield settings
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def catalogue() -> Iterator[Settings]:
    """Settings of a migrated, empty catalogue without a bucket; it is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="s2e-bench-"))
    folder.chmod(0o755)
    with _database(folder / "pg") as dsn:
        settings = Settings(pg_dsn=dsn)
        catalog.migrate(settings)
        yield settings
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _database(folder: Path) -> Iterator[str]:
    folder.mkdir()
    folder.chmod(0o755)
    cluster = pg.Cluster(data=folder / "data", port=free_port(), user="bench", password=uuid.uuid4().hex)
    with _running(cluster, folder / "log") as dsn:
        yield dsn


@contextmanager
def kept_database(home: Path) -> Iterator[str]:
    """Connection string of a database that is still there the next time one asks for it under `home`.

    It may keep a third of the machine's memory (PostgreSQL advises a quarter to 40 %).
    """
    home.mkdir(parents=True, exist_ok=True)
    password = sha256(str(home).encode()).hexdigest()
    cluster = pg.Cluster(data=pg.data_folder(home), port=free_port(), user="bench", password=password)
    third = f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') // 3 // 2**20}MB"
    with _running(cluster, home / "log", shared_buffers=third, maintenance_work_mem="512MB", max_wal_size="4GB") as dsn:
        yield dsn


@contextmanager
def _running(cluster: pg.Cluster, log_file: Path, **settings: str) -> Iterator[str]:
    env = {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(cluster.port),
        "PGUSER": cluster.user,
        "PGPASSWORD": cluster.password,
    }
    cluster.create()
    with log_file.open("wb") as log:
        server = cluster.start(log, **settings)
    try:
        wait_for(lambda: pg.answers(env), "PostgreSQL")
        pg.ensure_database(env, "bench")
        yield pg.conninfo(env, "bench")
    finally:
        server.send_signal(pg.FAST_STOP)
        server.wait(_PATIENCE)


@contextmanager
def _store(folder: Path) -> Iterator[tuple[str, str, str]]:
    folder.mkdir()
    server = objectstore.Store(
        folder=folder, port=free_port(WEED_OFFSETS.values()), access_key="bench", secret_key=uuid.uuid4().hex
    )
    server.configure()
    endpoint = f"http://127.0.0.1:{server.port}"
    with (folder / "log").open("wb") as log:
        process = server.start(log)
    try:
        key, secret = server.access_key, server.secret_key
        wait_for(lambda: objectstore.has_bucket(endpoint, key, secret, "us-east-1", _BUCKET), "SeaweedFS")
        yield endpoint, server.access_key, server.secret_key
    finally:
        processes.stop(process.pid, patience=10)
        process.wait()
