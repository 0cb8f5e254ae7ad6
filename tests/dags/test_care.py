"""What keeps the archive in order, run by Airflow in this process: Sen2Cor, retention, a tidy inbox."""

import shutil
from datetime import UTC, datetime

import pytest

from stac import catalog, status
from stac.collections import INDICES, L1C, L2A
from stac.database import connect

pytestmark = [pytest.mark.usefixtures("airflow_database"), pytest.mark.filterwarnings("default")]


@pytest.fixture
def inbox(environment, tmp_path, monkeypatch):
    """An inbox with an L1C product, and nothing else anywhere; no Sen2Cor."""
    from ingest.sample import ProductSpec, write_product

    keys = [(name, item) for name in (L1C, L2A, INDICES) for item in catalog.find_ids(environment, name)]
    catalog.remove(keys, environment)
    with connect(environment) as connection:
        connection.execute("DELETE FROM sen2extract.ledger")
    monkeypatch.setenv("INGEST_INBOX", str(tmp_path / "inbox"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    sensing = datetime(2025, 1, 5, 3, 11, 21, tzinfo=UTC)
    write_product(ProductSpec(sensing=sensing, size=96, cloudiness=0.0, level="L1C"), tmp_path / "inbox")
    return tmp_path / "inbox"


def run(bag, dag, **conf):
    """Run a DAG to its end; returns its state, and the state of each task."""
    ended = bag.dags[dag].test(run_conf=conf)
    return str(ended.state), {(ti.task_id, ti.map_index): str(ti.state) for ti in ended.get_task_instances()}


@pytest.mark.usefixtures("inbox")
def test_without_sen2cor_the_night_is_green_and_skipped(bag, settings):
    state, tasks = run(bag, "l1c_to_l2a")
    assert (state, tasks["installed", -1]) == ("success", "success")
    assert {tasks[name, -1] for name in ("find", "correct", "summarise", "announce", "verdict")} == {"skipped"}
    assert status.counts(settings) == {}


def test_sen2cor_s_product_is_ingested_and_the_old_l1c_goes(bag, settings, inbox, archive, tmp_path, monkeypatch):
    program = tmp_path / "L2A_Process"
    program.write_text(f'#!/bin/sh\ncp -r {archive[0]} "$4"\n')
    program.chmod(0o755)
    monkeypatch.setenv("INGEST_SEN2COR", f"02.12.03={program}")
    state, tasks = run(bag, "l1c_to_l2a")
    assert (state, tasks["correct", 0], tasks["announce", -1]) == ("success", "success", "success")
    assert (inbox / archive[0].name).is_dir()

    with connect(settings) as connection:  # as if it had come by a download of ours
        connection.execute(
            "UPDATE sen2extract.ledger SET fetched = source, offer = jsonb_build_object('source', 'cdse')"
        )
    state, tasks = run(bag, "ingest_products", inbox=str(inbox), batch_size=8)
    assert (state, tasks["tidy", -1]) == ("success", "success")
    assert [len(catalog.find_ids(settings, name)) for name in (L1C, L2A, INDICES)] == [1, 1, 1]
    assert not (inbox / archive[0].name).exists()
    assert len(list(inbox.glob("*L1C*.SAFE"))) == 1

    monkeypatch.setenv("INGEST_RETENTION", "l1c:age=1")
    for dry_run, left in ((True, 1), (False, 0)):
        state, tasks = run(bag, "retention", dry_run=dry_run)
        assert state == "success"
        assert len(catalog.find_ids(settings, L1C)) == left
    state, tasks = run(bag, "ingest_products", inbox=str(inbox))
    assert (state, tasks["announce", -1]) == ("success", "skipped")
    assert catalog.find_ids(settings, L1C) == []


def test_what_sen2cor_failed_at_makes_the_run_red_and_names_the_log(bag, settings, inbox, tmp_path, monkeypatch):
    program = tmp_path / "L2A_Process"
    program.write_text("#!/bin/sh\necho no dem; exit 4\n")
    program.chmod(0o755)
    monkeypatch.setenv("INGEST_SEN2COR", f"02.12.03={program}")
    state, tasks = run(bag, "l1c_to_l2a")
    assert (state, tasks["correct", 0], tasks["announce", -1], tasks["verdict", -1]) == (
        "failed",
        "success",
        "skipped",
        "failed",
    )
    (told,) = status.products(settings)
    assert (told.state, "code 4: no dem" in str(told.reason)) == ("failed", True)
    shutil.rmtree(inbox)
