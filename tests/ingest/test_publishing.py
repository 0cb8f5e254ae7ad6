"""Published or not at all, and once: killed workers, several workers, servers that go away, changed products."""

import os
import shutil
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import postgres as pg  # deploy/local, which the root conftest puts on the path
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import dict_row

sys.path.insert(0, str(Path(__file__).parent))

from workers import ASSETS, CONTEXT, Line, ingest_all, ingest_until

from ingest import alignment, ledger
from ingest.outcome import Outcome
from ingest.pipeline import ingest_product
from ingest.rebuild import rebuild
from ingest.reconcile import fix, report
from ingest.sample import ProductSpec, write_product
from ingest.store import Store
from stac import catalog, status
from stac.collections import INDICES, L2A
from stac.settings import Settings

pytestmark = pytest.mark.timeout(600)
SPEC = ProductSpec(sensing=datetime(2025, 5, 10, 3, 11, 21, tzinfo=UTC), size=96)
AT_ONCE = timedelta(0)
WORKERS = 8


@pytest.fixture(scope="module")
def bucket(settings: Settings) -> Store:
    return Store.connect(settings)


@pytest.fixture(autouse=True)
def _empty(settings: Settings, bucket: Store) -> Iterator[None]:
    """Each test begins and ends with nothing in database and bucket."""
    yield
    clear(settings, bucket)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """A function that writes a product, changed as it is told, and returns where."""
    return lambda **changes: str(write_product(replace(SPEC, **changes), tmp_path))


def clear(settings: Settings, bucket: Store) -> None:
    held = [(name, item) for name in (L2A, INDICES) for item in catalog.find_ids(settings, name)]
    catalog.remove(held, settings)
    bucket.remove(list(bucket.keys()))
    with psycopg.connect(settings.pg_dsn) as connection:
        connection.execute("DELETE FROM sen2extract.ledger")


def ingest(source: str, settings: Settings, **more: Any) -> Outcome:
    return ingest_product(source, settings=settings, assets=ASSETS, **more)


def entry(settings: Settings, product: str) -> dict[str, Any]:
    with psycopg.connect(settings.pg_dsn, row_factory=dict_row) as connection:
        found = connection.execute("SELECT * FROM sen2extract.ledger WHERE id = %s", (product,)).fetchone()
    assert found is not None
    return found


def state_of(settings: Settings, bucket: Store) -> dict[str, Any]:
    """All that a run leaves, but for times and the number of attempts."""
    items = {
        (name, item_id): catalog.get_item(settings, name, item_id)
        for name in (L2A, INDICES)
        for item_id in catalog.find_ids(settings, name)
    }
    for item in items.values():
        assert item is not None
        del item["properties"]["created"], item["properties"]["updated"]
    with psycopg.connect(settings.pg_dsn) as connection:
        entries = connection.execute(
            "SELECT id, state, owner, lease_until, reason, items FROM sen2extract.ledger ORDER BY id"
        ).fetchall()
        blocks = connection.execute(
            "SELECT collection, item_id, asset, key, md5(spans) FROM sen2extract.blocks ORDER BY 1, 2, 3"
        ).fetchall()
        observed = connection.execute("SELECT * FROM sen2extract.observations ORDER BY 1, 2").fetchall()
    return {
        "items": items, "keys": sorted(bucket.keys()), "ledger": entries, "blocks": blocks, "observations": observed,
    }  # fmt: skip


def wait_until_free(settings: Settings) -> None:
    """The database notices a moment later that a worker has died."""
    deadline = time.monotonic() + 60
    while alignment.busy(settings):
        assert time.monotonic() < deadline, "the lock of a killed worker is still held"
        time.sleep(0.02)


def test_killed_at_any_step_and_started_again_it_ends_the_same(
    settings: Settings, bucket: Store, write: Callable[..., str]
) -> None:
    source = write()
    steps: list[str] = []
    assert ingest(source, settings=settings, step=steps.append).state == "published"
    wanted = state_of(settings, bucket)
    assert {"open", "claim", "B04", "NDVI", "upload", "document", "publish", "done"} <= set(steps)
    for fatal, name in enumerate(steps):
        if "upload" == name == steps[fatal - 1] == steps[fatal + 1]:
            continue  # neither the first nor the last of many
        clear(settings, bucket)
        worker = CONTEXT.Process(target=ingest_until, args=(source, settings, fatal))
        worker.start()
        worker.join()
        assert worker.exitcode == -9, name
        wait_until_free(settings)
        if fatal % 2:  # whether or not somebody tidies up in between
            fix(settings, older_than=AT_ONCE)
            assert report(settings).unknown == (), name
        assert len(catalog.find_ids(settings, L2A)) == (name == "done"), name
        assert ingest(source, settings=settings).ok, name
        fix(settings, older_than=AT_ONCE)
        assert state_of(settings, bucket) == wanted, name


def test_an_ingestion_that_died_is_told_and_its_objects_are_removed(
    settings: Settings, bucket: Store, write: Callable[..., str]
) -> None:
    source = write()
    steps: list[str] = []
    ingest(source, settings=settings, step=steps.append)
    clear(settings, bucket)
    worker = CONTEXT.Process(target=ingest_until, args=(source, settings, steps.index("publish")))
    worker.start()
    worker.join()
    wait_until_free(settings)
    assert entry(settings, SPEC.name)["state"] == "converting"
    assert fix(settings).removed == (), "young objects are left alone"
    assert entry(settings, SPEC.name)["reason"] == "its worker ended before it was done"
    assert entry(settings, SPEC.name)["state"] == "failed"
    left = sorted(bucket.keys())
    assert left
    assert sorted(fix(settings, older_than=AT_ONCE).removed) == left
    assert list(bucket.keys()) == []


def test_what_somebody_is_at_is_left_to_him(settings: Settings, write: Callable[..., str]) -> None:
    source = write()
    told: list[Outcome] = []
    removed: list[tuple[str, ...]] = []

    def step(name: str) -> None:
        if name == "publish":
            told.append(ingest(source, settings=settings))
            removed.append(fix(settings, older_than=AT_ONCE).removed)

    assert ingest(source, settings=settings, step=step).state == "published"
    assert (told[0].state, "another worker is at it" in (told[0].reason or "")) == ("unchanged", True)
    assert removed == [()]
    assert report(settings).ok
    assert entry(settings, SPEC.name)["attempts"] == 1


def test_a_worker_that_hangs_loses_its_lease(settings: Settings) -> None:
    subject = ledger.Subject(id=SPEC.name, source="somewhere")
    with ledger.claimed(settings, subject) as first:
        with psycopg.connect(settings.pg_dsn) as connection:
            connection.execute("UPDATE sen2extract.ledger SET lease_until = now() - interval '1 s'")
        with ledger.claimed(settings, subject) as second:
            assert (first.attempt, second.attempt) == (1, 2)
            # What the first says in the end does not count any more.
            ledger.unfinished(settings, first, "invalid", "too late", {})
            assert entry(settings, SPEC.name)["owner"] == second.owner


def test_many_workers_on_the_same_products_publish_each_once(settings: Settings, write: Callable[..., str]) -> None:
    days = [datetime(2025, 5, day, 3, 11, 21, tzinfo=UTC) for day in (5, 10, 15, 20)]
    sources = [write(sensing=day) for day in days]
    older = write(sensing=days[0], baseline="05.00")
    sources.append(older)
    with ProcessPoolExecutor(WORKERS, mp_context=CONTEXT) as pool:
        told = list(pool.map(ingest_all, [sources] * WORKERS, [settings] * WORKERS, range(WORKERS)))
    outcomes = [one for outcomes in told for one in outcomes]
    assert {state for _, state, _ in outcomes} <= {"published", "unchanged"}, outcomes
    published = [product for product, state, _ in outcomes if state == "published"]
    assert sorted(filter(None, published)) == sorted(Path(source).stem for source in sources)
    assert status.counts(settings) == {"published": 4, "superseded": 1}
    assert {one.attempts for one in status.products(settings)} == {1}
    assert entry(settings, Path(older).stem)["state"] == "superseded"
    found = report(settings)
    assert (found.items, found.missing, found.unknown) == (10, (), ())


@pytest.mark.parametrize("moment", ["open", "upload", "document", "publish"])
@pytest.mark.parametrize("server", ["store", "database"])
def test_a_server_away_for_a_while_is_waited_for(
    settings: Settings, write: Callable[..., str], server: str, moment: str
) -> None:
    line, through = leading_to(server, settings)
    source = write()

    def step(name: str) -> None:
        if name == moment and not cuts:
            cuts.append(name)
            line.cut()
            threading.Timer(1.0, line.mend).start()

    cuts: list[str] = []
    outcome = ingest(source, settings=through, step=step)
    line.close()
    assert (cuts, outcome.state) == ([moment], "published"), outcome
    assert entry(settings, SPEC.name)["state"] == "published"
    assert report(settings).ok


@pytest.mark.parametrize("server", ["store", "database"])
def test_a_server_that_stays_away_fails_with_a_reason_and_the_next_run_resumes(
    settings: Settings, bucket: Store, write: Callable[..., str], server: str
) -> None:
    line, through = leading_to(server, settings, patience=0.0)
    source = write()
    outcome = ingest(source, settings=through, step=lambda name: line.cut() if name == "document" else None)
    line.close()
    assert outcome.state == "failed"
    assert outcome.reason
    assert catalog.find_ids(settings, L2A) == []
    wait_until_free(settings)
    told = entry(settings, SPEC.name)
    # A database that is away cannot be told; then the outcome says that, too.
    assert told["state"] == ("failed" if server == "store" else "converting")
    assert ("nor can the ledger be told" in outcome.reason) == (server == "database")
    before = set(bucket.keys())
    assert ingest(source, settings=settings).state == "published"
    assert before <= set(bucket.keys())
    assert entry(settings, SPEC.name)["attempts"] == 2


def leading_to(server: str, settings: Settings, patience: float = 60.0) -> tuple[Line, Settings]:
    """A line to a server, and settings that use it."""
    if server == "store":
        host, port = settings.store_host.split(":")
        line = Line(host, int(port))
        changes = {"s3_endpoint": f"http://127.0.0.1:{line.port}"}
    else:
        address = conninfo_to_dict(settings.pg_dsn)
        line = Line(str(address["host"]), int(address["port"] or 5432))
        changes = {"pg_dsn": make_conninfo(settings.pg_dsn, host="127.0.0.1", port=line.port)}
    return line, Settings(**{**settings.model_dump(), **changes, "ingest_patience": patience})


def test_a_product_whose_bytes_changed_is_published_anew(
    settings: Settings, bucket: Store, write: Callable[..., str]
) -> None:
    source = write(cloudiness=0.1)
    assert ingest(source, settings=settings).state == "published"
    before = set(bucket.keys())
    bucket.put_document("jobs/0/result.csv", b"x", "text/csv")  # of a job: it expires by itself
    shutil.rmtree(source)
    write(cloudiness=0.9)
    assert ingest(source, settings=settings).state == "published"
    found = report(settings)
    assert found.ok
    assert any("/B04-" in key for key in found.unknown)
    assert set(found.unknown) < before
    assert set(fix(settings, older_than=AT_ONCE).removed) == set(found.unknown)
    assert report(settings).unknown == ()
    assert bucket.get("jobs/0/result.csv") == b"x"
    assert entry(settings, SPEC.name)["attempts"] == 2
    assert ingest(source, settings=settings).state == "unchanged"


def test_files_written_again_are_looked_at_again(settings: Settings, bucket: Store, write: Callable[..., str]) -> None:
    source = write()
    assert ingest(source, settings=settings).state == "published"
    keys = sorted(bucket.keys())
    image = next(Path(source).glob("GRANULE/*/IMG_DATA/R10m/*_B04_10m.jp2"))
    os.utime(image, (1_700_000_000, 1_700_000_000))
    assert ingest(source, settings=settings).state == "published"
    assert sorted(bucket.keys()) == keys
    assert ingest(source, settings=settings).state == "unchanged"


def test_an_invalid_product_waits_for_other_bytes(settings: Settings, write: Callable[..., str]) -> None:
    source = write()
    image = next(Path(source).glob("GRANULE/*/IMG_DATA/R10m/*_B04_10m.jp2"))
    whole = image.read_bytes()
    image.write_bytes(whole[:-400])
    first = ingest(source, settings=settings)
    again = ingest(source, settings=settings)
    assert (first.state, again.state) == ("invalid", "invalid")
    assert first.reason
    assert again.reason is not None
    assert again.reason.startswith(first.reason)
    assert entry(settings, SPEC.name)["attempts"] == 1
    assert ingest(source, settings=settings, again="invalid").state == "invalid"
    assert (entry(settings, SPEC.name)["state"], entry(settings, SPEC.name)["attempts"]) == ("invalid", 2)
    image.write_bytes(whole)
    assert ingest(source, settings=settings).state == "published"
    assert entry(settings, SPEC.name)["reason"] is None


def test_a_published_product_stays_so_when_a_later_copy_is_broken(
    settings: Settings, write: Callable[..., str], tmp_path: Path
) -> None:
    ingest(write(), settings=settings)
    broken = tmp_path / f"{SPEC.name}.zip"
    broken.write_bytes(b"no zip at all")
    assert ingest(str(broken), settings=settings).state == "invalid"
    told = entry(settings, SPEC.name)
    assert told["state"] == "published"
    assert f"{SPEC.name}.zip" in told["reason"]


@pytest.mark.parametrize("flaw", ["unopenable", "unreadable"])
def test_a_published_product_whose_files_break_later_is_news_once(
    settings: Settings, write: Callable[..., str], flaw: str
) -> None:
    source = write()
    assert ingest(source, settings=settings).state == "published"
    image = next(Path(source).glob("GRANULE/*/IMG_DATA/R10m/*_B04_10m.jp2"))
    whole = image.read_bytes()
    if flaw == "unopenable":
        image.unlink()
    else:
        image.write_bytes(whole[:-400])
    first = ingest(source, settings=settings)
    again = ingest(source, settings=settings)
    assert [(one.state, one.known_since is None) for one in (first, again)] == [("invalid", True), ("invalid", False)]
    assert first.reason
    assert again.reason
    assert again.reason.startswith(first.reason)
    assert entry(settings, SPEC.name)["state"] == "published"
    assert ingest(source, settings=settings, again="invalid").known_since is None
    image.write_bytes(whole)
    assert ingest(source, settings=settings).state in {"published", "unchanged"}
    assert entry(settings, SPEC.name)["refused"] is None


def test_a_product_without_a_name_is_known_by_its_source(settings: Settings, tmp_path: Path) -> None:
    rubbish = tmp_path / "rubbish.zip"
    rubbish.write_bytes(b"no zip at all")
    ledger.see(settings, [str(rubbish)])
    assert entry(settings, str(rubbish))["state"] == "seen"
    assert ingest(str(rubbish), settings=settings).product is None
    assert entry(settings, str(rubbish))["state"] == "invalid"
    write_product(SPEC, tmp_path, zipped=True).rename(rubbish)
    assert ingest(str(rubbish), settings=settings).state == "published"
    assert [one.id for one in status.products(settings)] == [SPEC.name]


def test_all_is_rebuilt_from_the_bucket_alone(
    settings: Settings, bucket: Store, write: Callable[..., str], postgres: dict[str, str], template: str
) -> None:
    for baseline in ("05.11", "05.00"):
        assert ingest(write(baseline=baseline), settings=settings).state == "published"
    wanted = state_of(settings, bucket)
    assert [row[1] for row in wanted["ledger"]] == ["superseded", "published"]
    name = f"rebuilt_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(pg.conninfo(postgres, "postgres"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        )
    fresh = Settings(**{**settings.model_dump(), "pg_dsn": pg.conninfo(postgres, name)})
    done = rebuild(fresh)
    assert (done.items, done.refused) == (4, ())
    assert state_of(fresh, bucket) == wanted
    again = rebuild(fresh)
    assert (again.items, again.indexed, again.entries) == (4, 0, 0)
    # What is not whole is told, not published.
    lost = next(key for key in bucket.keys(L2A) if "B04-" in key and "N0511" in key)
    bucket.remove([lost])
    catalog.remove([(L2A, key.split("/")[-2]) for key in [lost]], fresh)
    (refused,) = rebuild(fresh).refused
    assert Path(lost).name in refused[1]
    assert refused[0].rpartition("/")[0] == lost.rpartition("/")[0]


def test_the_ledger_follows_the_catalogue(settings: Settings, write: Callable[..., str]) -> None:
    ingest(write(), settings=settings)
    catalog.remove([(L2A, SPEC.name), (INDICES, SPEC.name)], settings)
    assert alignment.align(settings) == 1
    assert entry(settings, SPEC.name)["state"] == "removed"
    assert alignment.align(settings) == 0
