"""The database roles, on a real server: the services read, ingestion writes, Airflow sees its own database."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import postgres as pg  # deploy/local, which the root conftest puts on the path
import psycopg
import pytest
import waiting

from stac import catalog
from stac.collections import L2A
from stac.errors import CatalogError
from stac.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
LOGIN = {"sen2extract_reader": "r3ader", "sen2extract_writer": "wr1ter", "airflow": "a1rflow"}
READER, WRITER, AIRFLOW = LOGIN
ITEM = "S2A_MSIL2A_20250105T031121_N0511_R075_T48PWU_20250105T062233"


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, str]]:
    """A cluster of its own, since roles belong to the whole cluster: made by the script, migrated by our command."""
    folder = Path(tempfile.mkdtemp(prefix="sen2extract-roles-"))
    folder.chmod(0o755)  # user postgres has to get in when we are root
    cluster = pg.Cluster(data=folder / "data", port=waiting.free_port(), user="postgres", password="0wner")
    env = {"PGHOST": "127.0.0.1", "PGPORT": str(cluster.port), "PGUSER": "postgres", "PGPASSWORD": "0wner"}
    cluster.create()
    with (folder / "log").open("wb") as log:
        process = cluster.start(log, fsync="off", synchronous_commit="off")
    try:
        waiting.wait_for(lambda: pg.answers(env), f"PostgreSQL ({folder}/log)")
        pg.ensure_database(env, "sen2extract")
        make_roles(env)
        catalog.migrate(Settings(pg_dsn=pg.conninfo(env, "sen2extract")))
        yield env
    finally:
        process.send_signal(pg.FAST_STOP)
        process.wait(30)
        shutil.rmtree(folder)


def make_roles(env: dict[str, str]) -> None:
    """Run the script as the image's entry point does."""
    given = {
        "POSTGRES_USER": "postgres",
        "POSTGRES_DB": "sen2extract",
        "READER_PASSWORD": LOGIN[READER],
        "WRITER_PASSWORD": LOGIN[WRITER],
        "AIRFLOW_DB_PASSWORD": LOGIN[AIRFLOW],
        "PATH": f"{pg.programs()}:{os.environ['PATH']}",
    }
    script = ROOT / "deploy" / "postgres" / "init-roles.sh"
    done = subprocess.run([script], check=False, env=env | given, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def connect(server: dict[str, str], role: str, database: str = "sen2extract") -> psycopg.Connection:
    address = pg.conninfo(server | {"PGUSER": role, "PGPASSWORD": LOGIN[role]}, database)
    return psycopg.connect(address, options="-c search_path=pgstac,public")


def settings(server: dict[str, str], role: str) -> Settings:
    return Settings(pg_dsn=pg.conninfo(server | {"PGUSER": role, "PGPASSWORD": LOGIN[role]}, "sen2extract"))


@pytest.fixture
def published(server) -> dict[str, Any]:
    """An item that ingestion's role has put into the catalogue."""
    item = {
        "id": ITEM,
        "type": "Feature",
        "stac_version": "1.1.0",
        "collection": L2A,
        "geometry": {"type": "Point", "coordinates": [104.9, 11.5]},
        "bbox": [104.9, 11.5, 104.9, 11.5],
        "properties": {"datetime": "2025-01-05T03:11:21Z", "platform": "sentinel-2a", "grid:code": "MGRS-48PWU"},
        "links": [],
        "assets": {},
    }
    catalog.publish([item], settings(server, WRITER))
    return item


def test_what_ingestion_publishes_the_services_read(server, published):
    found = catalog.get_item(settings(server, READER), L2A, ITEM)
    assert found is not None
    assert found["geometry"] == published["geometry"]


def test_the_services_change_nothing(server, published):
    for statement in ("SELECT delete_item(%s)", "DELETE FROM items WHERE id = %s"):
        with connect(server, READER) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement, (ITEM,))
    with pytest.raises(CatalogError, match=ITEM):
        catalog.publish([published | {"bbox": [104.9, 11.5, 105.0, 11.6]}], settings(server, READER))


def test_ingestion_may_remove(server, published):
    assert catalog.remove([(L2A, published["id"])], settings(server, WRITER)) == 1
    assert catalog.get_item(settings(server, READER), L2A, ITEM) is None


def test_the_tiler_may_register_a_search(server):
    with connect(server, READER) as connection:
        row = connection.execute(
            "SELECT hash FROM search_query(%s)", ('{"collections": ["sentinel-2-l2a"]}',)
        ).fetchone()
    assert len(row[0]) == 32


def test_a_table_of_ours_can_be_read_by_the_services_and_written_by_ingestion(server):
    with psycopg.connect(pg.conninfo(server, "sen2extract")) as connection:
        connection.execute("CREATE TABLE sen2extract.probe (id serial PRIMARY KEY, state text)")
    with connect(server, WRITER) as connection:
        connection.execute("INSERT INTO sen2extract.probe (state) VALUES ('seen'), ('failed')")
        connection.execute("UPDATE sen2extract.probe SET state = 'published' WHERE state = 'seen'")
        connection.execute("DELETE FROM sen2extract.probe WHERE state = 'failed'")
    with connect(server, READER) as connection:
        assert connection.execute("SELECT id, state FROM sen2extract.probe").fetchall() == [(1, "published")]
    with connect(server, READER) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("INSERT INTO sen2extract.probe (state) VALUES ('seen')")


@pytest.mark.parametrize("role", [READER, WRITER])
def test_only_migrations_change_the_schema(server, role):
    for schema in ("sen2extract", "public"):
        with connect(server, role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(f"CREATE TABLE {schema}.stray (id int)")


@pytest.mark.parametrize(("role", "database"), [(READER, "airflow"), (WRITER, "airflow"), (AIRFLOW, "sen2extract")])
def test_nobody_enters_the_other_database(server, role, database):
    with pytest.raises(psycopg.OperationalError, match="CONNECT privilege"):
        connect(server, role, database)


def test_airflow_owns_its_database(server):
    with connect(server, AIRFLOW, "airflow") as connection:
        connection.execute("CREATE TABLE public.dag (id int)")
        assert connection.execute("SELECT count(*) FROM public.dag").fetchone() == (0,)
