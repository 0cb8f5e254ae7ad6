"""Rules that every DAG keeps."""

import json
import subprocess
import sys

import pytest

HEAVY = ("rasterio", "numpy", "pystac", "psycopg", "pyproj", "shapely", "minio", "obstore", "ingest", "stac", "tiler")


def test_every_dag_file_can_be_imported(bag):
    assert bag.import_errors == {}
    assert set(bag.dags) == {
        "ingest_products",
        "derive_indices",
        "reconcile_catalogue",
        "extract_series",
        "expire_jobs",
        "pack_series",
    }


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
    ("name", "value"),
    [("batch_size", 0), ("batch_size", "many"), ("assets", ["../etc"]), ("inbox", 5)],
)
def test_parameters_that_make_no_sense_are_refused(bag, name, value):
    from airflow.sdk.exceptions import ParamValidationError

    param = bag.dags["ingest_products"].params.get_param(name)
    with pytest.raises(ParamValidationError):
        param.resolve(value)


def test_the_asset_event_comes_from_one_task(bag):
    """Events of mapped tasks within one beat of the scheduler are lost, so only the fan-in task has an outlet."""
    tasks = bag.dags["ingest_products"].tasks
    outlets = {task.task_id: [asset.name for asset in task.outlets] for task in tasks if task.outlets}
    assert outlets == {"announce": ["sentinel-2-l2a"]}
