"""Pack images of many dates each night, so that long series are quick: the assets that INGEST_PACK_ASSETS names."""

from datetime import timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable, Param, dag, get_current_context, task
from catalogue import TASK_DEFAULTS

PARAMS = {
    "assets": Param(
        None,
        type=["null", "string"],
        pattern="^[A-Za-z0-9, ]+$",
        description="Images to pack, such as NDVI,MASK; empty: INGEST_PACK_ASSETS, and none if that is empty too",
    )
}


@dag(
    schedule=CronTriggerTimetable("23 1 * * *", timezone="UTC"),
    catchup=False,
    params=PARAMS,
    default_args=TASK_DEFAULTS,
    max_active_runs=1,
    tags=["care"],
)
def pack_series() -> None:
    """Find -> pack each asset of each tile -> summarise -> verdict. What is packed already is left alone."""

    @task
    def find(*, params: dict[str, Any]) -> list[list[str]]:
        from ingest import tasks

        return tasks.packable(params["assets"])

    @task(max_active_tis_per_dagrun=2, execution_timeout=timedelta(hours=12))
    def pack(series: list[str]) -> list[dict[str, Any]]:
        from ingest import tasks

        attempt = get_current_context()["ti"]
        return tasks.pack_batch(series, last_try=attempt.try_number > attempt.max_tries)

    @task(trigger_rule="all_done", multiple_outputs=False)
    def summarise(batches: list[list[str]], results: list[list[dict[str, Any]]]) -> dict[str, Any]:
        from ingest import tasks

        return tasks.summarise(batches, results)

    @task(trigger_rule="all_done", retries=0)
    def verdict(summary: dict[str, Any]) -> str:
        from ingest import tasks

        return tasks.verdict(summary, "series")

    batches = find()
    verdict(summarise(batches, pack.expand(series=batches)))


pack_series()
