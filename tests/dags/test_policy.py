"""Rules that every DAG keeps."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

DAGS = Path(__file__).resolve().parents[2] / "dags"
HEAVY = ("rasterio", "numpy", "pystac", "psycopg", "pyproj", "shapely", "minio", "obstore", "ingest", "stac", "tiler")


def test_every_dag_file_can_be_imported(bag):
    assert bag.import_errors == {}
    assert set(bag.dags) == {
        "derive_indices", "discover_products", "download_products", "expire_jobs", "export_geoparquet",
        "extract_series", "ingest_products", "pack_series", "reconcile_catalogue", "retention",
    }  # fmt: skip


def test_every_task_is_tried_again_with_growing_pauses_and_cannot_hang(bag):
    for dag in bag.dags.values():
        for task in dag.tasks:
            assert task.execution_timeout is not None, task
            if task.task_id != "verdict":  # tells what happened: asked again it says the same
                assert task.retries >= 1, task
            assert task.retry_exponential_backoff > 1, task
            assert task.max_retry_delay > task.retry_delay, task


def test_every_dag_says_what_it_does_and_runs_once_at_a_time(bag):
    for dag in bag.dags.values():
        assert dag.doc_md or dag.description, dag
        # Users' jobs are runs of one DAG and do not wait for each other.
        assert dag.max_active_runs == (8 if dag.dag_id == "extract_series" else 1)
        assert not dag.catchup


def test_parsing_loads_nothing_heavy_and_none_of_our_packages():
    """What a DAG file imports at parse time is imported by the DAG processor every half minute."""
    script = """
import json, os, sys
import airflow.sdk, airflow.sdk.exceptions
before = set(sys.modules)
sys.path.insert(0, os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
for name in sorted(os.listdir(sys.path[0])):
    if name.endswith(".py"):
        __import__(name.removesuffix(".py"))
print(json.dumps(sorted({name.partition(".")[0] for name in set(sys.modules) - before})))
"""
    asked = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(json.loads(asked.stdout.splitlines()[-1]))
    assert "ingest_products" in loaded
    assert loaded.isdisjoint(HEAVY)


@pytest.mark.parametrize(
    ("dag", "name", "value"),
    [
        ("ingest_products", "batch_size", 0),
        ("ingest_products", "batch_size", "many"),
        ("ingest_products", "assets", ["../etc"]),
        ("ingest_products", "inbox", 5),
        ("discover_products", "tiles", ["48XXX9"]),
        ("discover_products", "bbox", [1, 2, 3]),
        ("discover_products", "start", "yesterday"),
        ("discover_products", "max_cloud", 101),
        ("discover_products", "provider", "peps"),
        ("discover_products", "orbits", [0]),
        ("download_products", "limit", 0),
        ("derive_indices", "limit", 0),
        ("retention", "dry_run", "perhaps"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(bag, dag, name, value):
    from airflow.sdk.exceptions import ParamValidationError

    param = bag.dags[dag].params.get_param(name)
    with pytest.raises(ParamValidationError):
        param.resolve(value)


def test_the_asset_event_comes_from_one_task(bag):
    """Events of mapped tasks within one beat of the scheduler are lost, so only the fan-in task has an outlet."""
    for name, outlet in (
        ("discover_products", "sentinel-2-offers"),
        ("download_products", "sentinel-2-inbox"),
        ("ingest_products", "sentinel-2-l2a"),
    ):
        tasks = bag.dags[name].tasks
        outlets = {task.task_id: [asset.name for asset in task.outlets] for task in tasks if task.outlets}
        assert outlets == {"announce": [outlet]}
        assert not any(hasattr(task, "expand_input") for task in tasks if task.outlets)


def test_what_asks_a_provider_takes_as_many_slots_of_its_pool_as_it_opens_connections(bag):
    pools = json.loads((DAGS / "pools.json").read_text())
    for task in bag.dags["download_products"].tasks:
        if task.task_id.startswith("fetch_"):
            assert pools[task.pool]["slots"] >= task.pool_slots > 1
            assert task.pool_slots == 2  # the constant that is handed to it
    assert pools["provider_cdse"]["slots"] == 4


def test_the_dags_know_every_provider(bag):
    from ingest.sources import SOURCES

    tasks = {task.task_id for task in bag.dags["download_products"].tasks}
    assert {f"fetch_{name.replace('-', '_')}" for name in SOURCES} <= tasks
    assert bag.dags["discover_products"].params.get_param("provider").schema["enum"] == list(SOURCES)
