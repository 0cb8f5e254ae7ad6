"""From a provider into the inbox by DAG, run by Airflow in this process against a provider on loopback."""

import json

import pytest
from fakes.provider import KEY, SECRET, Fault, Provider

from stac import status

pytestmark = [pytest.mark.usefixtures("airflow_database", "environment"), pytest.mark.filterwarnings("default")]
PERIOD = {"tiles": ["48PWU"], "start": "2025-01-01", "end": "2025-01-12"}


@pytest.fixture
def provider(archive, environment, tmp_path, monkeypatch):
    with Provider(tmp_path / "provider").serve() as provider:
        for product in archive:
            provider.add(product)
        for name, value in provider.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("INGEST_INBOX", str(tmp_path / "inbox"))
        yield provider
    from stac import catalog
    from stac.collections import COLLECTION_IDS
    from stac.database import connect

    keys = [(name, item) for name in COLLECTION_IDS for item in catalog.find_ids(environment, name)]
    catalog.remove(keys, environment)
    with connect(environment) as connection:
        connection.execute("DELETE FROM sen2extract.ledger")


def run(bag, dag, **conf):
    """Run a DAG to its end; returns its state, and the state of each task."""
    ended = bag.dags[dag].test(run_conf=conf)
    return str(ended.state), {(ti.task_id, ti.map_index): str(ti.state) for ti in ended.get_task_instances()}


def test_discover_then_download_then_nothing_more(bag, provider, settings, tmp_path):
    state, tasks = run(bag, "discover_products", **PERIOD)
    assert (state, tasks["announce", -1]) == ("success", "success")
    assert status.counts(settings) == {"seen": 2}

    state, tasks = run(bag, "download_products")
    assert state == "success"
    assert tasks["fetch_cdse", 0] == tasks["fetch_cdse", 1] == tasks["announce", -1] == "success"
    assert tasks["fetch_earth_search", -1] == "skipped"
    assert status.counts(settings) == {"downloaded": 2}
    assert len(list((tmp_path / "inbox").glob("*.SAFE"))) == 2
    assert provider.busiest <= 2

    provider.forget()
    state, tasks = run(bag, "discover_products", **PERIOD)
    assert (state, tasks["announce", -1]) == ("success", "skipped")
    state, tasks = run(bag, "download_products")
    assert (state, tasks["announce", -1]) == ("success", "skipped")
    assert provider.files() == []


def test_without_a_place_nothing_is_asked(bag, provider):
    state, tasks = run(bag, "discover_products", tiles=[])
    assert (state, tasks["search", -1], tasks["announce", -1]) == ("success", "skipped", "skipped")
    assert provider.seen == []


def test_a_product_that_was_withdrawn_makes_the_run_red_and_stops_no_other(bag, provider, settings):
    run(bag, "discover_products", **PERIOD)
    withdrawn, other = sorted(provider.products)
    provider.withdraw(withdrawn)
    state, tasks = run(bag, "download_products")
    assert (state, tasks["verdict", -1], tasks["announce", -1]) == ("failed", "failed", "success")
    found = {product.id: product for product in status.products(settings)}
    assert (found[withdrawn].state, found[other].state) == ("invalid", "downloaded")
    assert "withdrawn: Corrupted product" in str(found[withdrawn].reason)
    assert run(bag, "download_products")[0] == "success"


@pytest.mark.usefixtures("provider")
def test_credentials_come_from_the_airflow_connection(bag, settings, monkeypatch):
    run(bag, "discover_products", **PERIOD)
    for name in ("USER", "PASSWORD", "S3_KEY", "S3_SECRET"):
        monkeypatch.delenv(f"INGEST_CDSE_{name}")
    state, _ = run(bag, "download_products", limit=1)  # params of a run stay for the next in this process
    assert state == "failed"
    told = [product.reason for product in status.products(settings, state="failed")]
    assert ["INGEST_CDSE_S3_KEY" in str(reason) for reason in told] == [True]
    connection = {"conn_type": "generic", "extra": {"s3_key": KEY, "s3_secret": SECRET}}
    monkeypatch.setenv("AIRFLOW_CONN_CDSE_DEFAULT", json.dumps(connection))
    assert run(bag, "download_products", limit=9)[0] == "success"
    assert status.counts(settings) == {"downloaded": 2}


def test_what_may_pass_is_tried_again_and_told_on_the_last_try(provider, monkeypatch):
    from datetime import date

    from ingest import source_tasks
    from ingest.tasks import UnfinishedError

    monkeypatch.setenv("INGEST_SOURCE_PATIENCE", "0")
    source_tasks.discover(PERIOD, "cdse", date(2026, 1, 1))
    name, *_ = source_tasks.queue("cdse", 1)
    provider.faults = [Fault("manifest", status=503, retry_after="60", times=99)]
    with pytest.raises(UnfinishedError, match="will be tried again"):
        source_tasks.fetch(name, "cdse", {}, connections=1, last_try=False)
    told = source_tasks.fetch(name, "cdse", {}, connections=1)
    assert (told["state"], "503" in told["reason"]) == ("failed", True)
    assert source_tasks.queue("cdse", 10)[-1] == name
    with pytest.raises(UnfinishedError, match="empty"):
        source_tasks.discover({**PERIOD, "end": "2024-01-01"}, "cdse", date(2026, 1, 1))


@pytest.mark.usefixtures("provider")
def test_relative_days_count_from_the_day_of_the_run():
    from datetime import date

    from ingest import source_tasks

    relative = {"tiles": ["48PWU"], "start": "today-5", "end": "today"}
    assert source_tasks.discover(relative, "cdse", date(2025, 1, 11))["new"] == 1
    assert source_tasks.discover(relative, "cdse", date(2026, 1, 11))["offered"] == 0


@pytest.fixture
def worker(monkeypatch, tmp_path):
    """Be a worker with a disk of its own, that shares nothing with others but bucket and database."""
    import tempfile

    monkeypatch.setenv("INGEST_SHARES_DISK", "false")

    def be(name):
        disk = tmp_path / name
        (disk / "tmp").mkdir(parents=True, exist_ok=True)
        monkeypatch.setattr(tempfile, "tempdir", str(disk / "tmp"))
        monkeypatch.setenv("INGEST_INBOX", str(disk / "inbox"))
        return disk

    return be


def test_one_worker_downloads_and_another_that_shares_no_disk_ingests(bag, provider, settings, worker):
    from ingest.handover import PREFIX
    from ingest.reconcile import report
    from ingest.store import Store

    store = Store.connect(settings)
    here = worker("here")
    run(bag, "discover_products", **PERIOD)
    assert run(bag, "download_products")[0] == "success"
    names = sorted(provider.products)
    assert sorted(store.keys(PREFIX)) == [f"{PREFIX}{name}.SAFE" for name in names]
    assert not list((here / "inbox").glob("S2*"))
    assert {product.state for product in status.products(settings)} == {"downloaded"}
    assert report(settings).unknown == ()

    away = worker("away")
    here.rename(here.with_name("gone"))
    state, tasks = run(bag, "ingest_products", inbox=None)
    assert (state, tasks["announce", -1]) == ("success", "success")
    found = {product.id: (product.state, product.source) for product in status.products(settings)}
    assert found == {name: ("published", settings.s3_href(f"{PREFIX}{name}.SAFE")) for name in names}
    assert list(store.keys(PREFIX)) == []
    assert list(away.rglob("*.jp2")) == []
    assert run(bag, "ingest_products", inbox=None)[0] == "success"


def test_what_was_handed_over_and_is_no_product_is_told_once_and_stays(bag, environment, worker, tmp_path):
    from ingest import handover, ledger
    from ingest.store import Store
    from stac.database import connect

    worker("here")
    name = "S2B_MSIL2A_20250204T031121_N0511_R075_T48PWU_20250204T072243"
    (tmp_path / f"{name}.SAFE").mkdir()
    source = handover.hand_over(environment, tmp_path / f"{name}.SAFE")
    assert handover.waiting(environment) == [source]
    assert run(bag, "ingest_products", inbox=None)[0] == "failed"
    assert ledger.find(environment, name, source).state == "invalid"
    assert handover.waiting(environment) == []
    store = Store.connect(environment)
    store.put_document(f"{handover.PREFIX}{name}.SAFE", b"no tar", "application/x-tar")
    told = handover.ingest(source, settings=environment)
    assert (told.state, "cannot be unpacked" in told.reason) == ("failed", True)
    store.remove(store.keys(handover.PREFIX))
    told = handover.ingest(source, settings=environment)
    assert (told.state, "cannot be read" in told.reason) == ("failed", True)
    with connect(environment) as connection:
        connection.execute("DELETE FROM sen2extract.ledger")


def watch(settings, **areas):
    """Have these areas watched, and no others."""
    from stac import areas as table

    for area in table.areas(settings):
        table.remove(settings, area.name)
    for name, fields in areas.items():
        table.add(settings, table.checked({"name": name, **fields}))


def test_watched_areas_are_asked_for_and_one_that_fails_is_told_after_the_others(bag, provider, settings, monkeypatch):
    # `tiles=[]` throughout: Airflow keeps the parameters of one test run for the next.
    days = {"first_day": "2025-01-01", "last_day": "2025-01-12"}
    held = {"tiles": ["48PWU"], **days}
    monkeypatch.setenv("INGEST_EARTH_SEARCH_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("INGEST_SOURCE_PATIENCE", "0")
    watch(settings, here=held, off={**held, "enabled": False}, away={**held, "provider": "earth-search"})
    try:
        state, tasks = run(bag, "discover_products", tiles=[])
        assert (state, tasks["announce", -1], tasks["verdict", -1]) == ("failed", "success", "failed")
        assert status.counts(settings) == {"seen": 2}
        assert provider.seen != []
        watch(settings, here=held, over={**held, "first_day": "today-1"})
        state, tasks = run(bag, "discover_products", tiles=[])
        assert (state, tasks["verdict", -1]) == ("success", "success")
        watch(settings, over={**held, "first_day": "today-1"})
        assert run(bag, "discover_products", tiles=[])[1]["search", -1] == "skipped"
    finally:
        watch(settings)


@pytest.mark.usefixtures("provider")
def test_a_long_period_is_queued_step_by_step_as_far_as_there_is_room(bag, settings):
    period = {"area": None, "tiles": ["48PWU"], "start": "2025-01-01", "end": "2025-01-12", "days": 6}
    state, tasks = run(bag, "backfill", **period, queue=1)
    assert (state, tasks["search", 0], tasks["search", 1], tasks["announce", -1]) == (
        "failed",
        "success",
        "success",
        "success",
    )
    assert status.counts(settings) == {"seen": 1}
    # Started again once there is room, it goes on, and then finds nothing more.
    state, tasks = run(bag, "backfill", **period, queue=9)
    assert (state, tasks["announce", -1]) == ("success", "success")
    assert status.counts(settings) == {"seen": 2}
    run(bag, "download_products", limit=9)
    state, tasks = run(bag, "backfill", **period, queue=9)
    assert (state, tasks["announce", -1]) == ("success", "skipped")
    assert status.counts(settings) == {"downloaded": 2}
    state, tasks = run(bag, "backfill", **{**period, "area": "nowhere"}, queue=9)
    assert (state, tasks["search", 0], tasks["verdict", -1]) == ("failed", "success", "failed")


def test_the_verdict_on_a_long_period_says_why_steps_are_left(provider, monkeypatch):
    from datetime import date

    from ingest import source_tasks
    from ingest.sources.errors import PassingError
    from ingest.tasks import UnfinishedError

    monkeypatch.setenv("INGEST_SOURCE_PATIENCE", "0")
    step = {"start": "2025-01-01", "end": "2025-01-12"}
    params = {"area": None, "tiles": ["48PWU"], "levels": [], "provider": None, "queue": 9}
    provider.faults = [Fault("Products", status=503, times=99)]
    with pytest.raises(PassingError, match="503"):
        source_tasks.fill(step, params, date(2026, 1, 1), last_try=False)
    left = source_tasks.fill(step, params, date(2026, 1, 1))
    provider.faults = [Fault("Products", status=400, times=99)]
    refused = source_tasks.fill(step, params, date(2026, 1, 1), last_try=False)
    nowhere = source_tasks.fill(step, {**params, "area": "nowhere"}, date(2026, 1, 1))
    with pytest.raises(UnfinishedError, match=r"2025-01-01 to 2025-01-12: cdse: .*503") as raised:
        source_tasks.fill_verdict([step] * 3, [left, refused, nowhere])
    assert "400" in str(raised.value)
    assert "no area 'nowhere' is watched" in str(raised.value)


@pytest.mark.usefixtures("provider")
def test_a_period_is_cut_into_steps_that_miss_no_day(settings):
    from datetime import date

    from ingest import source_tasks
    from ingest.tasks import UnfinishedError, WrongInputError

    today = date(2026, 3, 10)
    steps = source_tasks.steps("2026-02-20", "today", 10, today)
    assert [(step["start"], step["end"]) for step in steps] == [
        ("2026-02-20", "2026-03-01"),
        ("2026-03-02", "2026-03-10"),
    ]
    for wrong in (("today", "2020-01-01", 1), ("soon", "today", 1), ("1990-01-01", "today", 1)):
        with pytest.raises(WrongInputError):
            source_tasks.steps(*wrong, today)
    params = {"area": "paddies", "tiles": [], "levels": [], "provider": None, "queue": 9}
    watch(settings, paddies={"tiles": ["48PWU"], "levels": ["l1c", "l2a"], "first_day": "today-1"})
    try:
        found = source_tasks.fill({"start": "2025-01-01", "end": "2025-01-12"}, params, today)
        assert (found["wanted"], found["left"]) == (2, None)
    finally:
        watch(settings)
    with pytest.raises(UnfinishedError, match="2026-03-02 to 2026-03-10: its task failed"):
        source_tasks.fill_verdict(steps, [{**steps[0], "wanted": 1, "left": None}])
