"""The DAG as a whole, run by Airflow in this process against a real catalogue and bucket."""

import shutil
from pathlib import Path

import pytest

from stac import catalog
from stac.collections import INDICES, L2A

pytestmark = [
    pytest.mark.usefixtures("airflow_database", "environment"),
    # Airflow's own imports warn of what its dependencies deprecate.
    pytest.mark.filterwarnings("default"),
]


def run(bag, inbox):
    """Run the DAG to its end; returns the run's state and the state of each task."""
    ended = bag.dags["ingest_products"].test(run_conf={"inbox": str(inbox), "batch_size": 1})
    return str(ended.state), {(ti.task_id, ti.map_index): str(ti.state) for ti in ended.get_task_instances()}


def test_ingests_announces_and_then_finds_nothing_to_do(bag, archive, settings):
    names = [path.stem for path in archive]
    state, tasks = run(bag, archive[0].parent)
    assert state == "success"
    assert tasks["ingest", 0] == tasks["ingest", 1] == tasks["announce", -1] == "success"
    first = [catalog.get_item(settings, collection, name) for collection in (L2A, INDICES) for name in names]
    assert None not in first

    state, tasks = run(bag, archive[0].parent)
    assert state == "success"
    assert tasks["announce", -1] == "skipped"
    assert [catalog.get_item(settings, collection, name) for collection in (L2A, INDICES) for name in names] == first


def test_a_run_is_red_for_a_broken_product_once_and_again_when_its_files_change(bag, archive, tmp_path):
    broken = Path(shutil.copytree(archive[0], tmp_path / archive[0].name.replace("20250105", "20250125")))
    next(broken.rglob("*_B04_10m.jp2")).unlink()
    assert run(bag, tmp_path)[0] == "failed"
    state, tasks = run(bag, tmp_path)
    assert (state, tasks["ingest", 0], tasks["announce", -1]) == ("success", "success", "skipped")
    next(broken.rglob("*_B03_10m.jp2")).unlink()
    assert run(bag, tmp_path)[0] == "failed"


def test_an_empty_inbox_is_a_green_run_without_an_event(bag, tmp_path):
    state, tasks = run(bag, tmp_path)
    assert state == "success"
    assert tasks["announce", -1] == "skipped"


def test_a_folder_that_is_not_there_is_told_once_and_nothing_is_tried_again(bag, tmp_path):
    state, tasks = run(bag, tmp_path / "nowhere")
    assert (state, tasks["discover", -1], tasks["announce", -1]) == ("failed", "failed", "skipped")
    assert tasks["verdict", -1] == "failed"
