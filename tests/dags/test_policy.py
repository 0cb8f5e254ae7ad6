"""Rules that every DAG keeps."""

import importlib
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from airflow.sdk import AssetOrTimeSchedule
from airflow.serialization.decoders import decode_timetable
from airflow.serialization.encoders import encode_timetable
from airflow.timetables.base import TimeRestriction

DAGS = Path(__file__).resolve().parents[2] / "dags"
HEAVY = ("rasterio", "numpy", "pystac", "psycopg", "pyproj", "shapely", "minio", "obstore", "ingest", "stac", "tiler")


def test_every_dag_file_can_be_imported(bag):
    assert bag.import_errors == {}
    assert set(bag.dags) == {
        "backfill", "derive_indices", "discover_products", "download_products", "expire_jobs", "export_geoparquet",
        "extract_series", "ingest_products", "l1c_to_l2a", "pack_series", "reconcile_catalogue", "retention",
    }  # fmt: skip


def test_a_stack_that_starts_after_the_hour_waits_for_the_next(bag):
    """And does not ingest beside the run that its user asks for; Airflow would, for a tenth of the period."""
    catalogue = importlib.import_module("catalogue")
    now = datetime.now(UTC)
    past = now - timedelta(minutes=2)

    for schedule in (
        daily := catalogue.at(f"{past.minute} {past.hour} * * *"),
        AssetOrTimeSchedule(timetable=daily, assets=[]),
    ):
        timetable = decode_timetable(encode_timetable(schedule))
        first = timetable.next_dagrun_info(
            last_automated_data_interval=None, restriction=TimeRestriction(earliest=None, latest=None, catchup=False)
        )
        assert first.run_after > now

    scheduled = {dag.dag_id: str(encode_timetable(dag.timetable)) for dag in bag.dags.values()}
    crons = {name: text for name, text in scheduled.items() if " * *" in text}
    assert len(crons) == 10
    assert all("'run_immediately': 0" in text for text in crons.values()), crons


def test_every_task_is_tried_again_with_growing_pauses_and_cannot_hang(bag):
    for dag in bag.dags.values():
        for task in dag.tasks:
            assert task.execution_timeout is not None, task
            if task.task_id != "verdict":  # tells what happened: asked again it says the same
                assert task.retries >= 1, task
            assert task.retry_exponential_backoff > 1, task
            assert task.max_retry_delay > task.retry_delay, task
            assert type(task.retry_policy).__name__ == "ByKind", task


def test_every_dag_says_what_it_does_whose_it_is_and_runs_once_at_a_time(bag):
    for dag in bag.dags.values():
        assert len(dag.doc_md) > 20, dag
        assert dag.tags, dag
        assert {task.owner for task in dag.tasks} == {"sen2extract"}, dag
        # Users' jobs are runs of one DAG and do not wait for each other.
        assert dag.max_active_runs == (8 if dag.dag_id == "extract_series" else 1)
        assert not dag.catchup
        assert [call.__name__ for call in dag.on_failure_callback] == ["by_mail", "by_webhook"], dag


def test_every_parameter_is_described_and_checked(bag):
    for dag in bag.dags.values():
        for name, param in dag.params.items():
            schema = dag.params.get_param(name).schema
            assert schema.keys() & {"type", "enum"}, f"{dag.dag_id}: {name} = {param}"
            assert dag.params.get_param(name).description, f"{dag.dag_id}: {name}"


def test_pools_are_those_of_the_table_and_each_is_used(bag):
    tasks = [task for dag in bag.dags.values() for task in dag.tasks]
    pools = json.loads((DAGS / "pools.json").read_text())
    used = {task.pool for task in tasks}
    assert used - {"default_pool"} == set(pools)
    assert all(pool["description"] and pool["slots"] > 0 for pool in pools.values())
    assert all(task.pool_slots <= pools[task.pool]["slots"] for task in tasks if task.pool in pools)


def test_what_takes_hours_waits_for_a_slot_of_a_pool(bag):
    """Else it would take all of a worker's, and what is quick would wait for it."""
    for dag in bag.dags.values():
        for task in dag.tasks:
            if task.execution_timeout.total_seconds() > 1800 and task.task_id != "finish":
                assert task.pool != "default_pool", task


def test_errors_that_are_final_are_told_by_names_that_exist():
    import catalogue

    for name in catalogue.FINAL:
        module, _, kind = name.rpartition(".")
        assert issubclass(getattr(importlib.import_module(module), kind), Exception), name


def test_what_is_wrong_with_the_input_fails_at_once_and_what_is_away_is_tried_again():
    import catalogue
    from airflow.sdk import RetryAction

    from ingest.errors import MissingImageError, StoreAwayError
    from ingest.sources.errors import CredentialsError, PassingError
    from ingest.tasks import UnfinishedError, WrongInputError
    from stac.errors import CatalogAwayError

    def action(error):
        return catalogue.ByKind().evaluate(error, 1, 3).action

    for error in (MissingImageError, CredentialsError, WrongInputError):
        assert action(error("x")) == RetryAction.FAIL
    for error in (StoreAwayError, PassingError, CatalogAwayError, UnfinishedError, ConnectionError, MemoryError):
        assert action(error("x")) == RetryAction.DEFAULT


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
        ("l1c_to_l2a", "limit", 0),
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
        ("l1c_to_l2a", "sentinel-2-inbox"),
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
