"""Make the indices and masks that L2A items lack: after each ingestion, and daily for what an event may have missed."""

from datetime import timedelta
from typing import Any

from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable, Param, dag, get_current_context, task
from catalogue import INDICES, L2A, TASK_DEFAULTS

SCHEDULE = AssetOrTimeSchedule(timetable=CronTriggerTimetable("17 3 * * *", timezone="UTC"), assets=[L2A])
PARAMS = {
    "batch_size": Param(8, type="integer", minimum=1, maximum=200, description="Items per task"),
    "limit": Param(500, type="integer", minimum=1, maximum=10000, description="Most items of one run"),
}


@dag(
    schedule=SCHEDULE,
    catchup=False,
    params=PARAMS,
    default_args=TASK_DEFAULTS,
    max_active_runs=1,
    tags=["ingest"],
)
def derive_indices() -> None:
    """Find -> derive in batches -> summarise -> verdict; the work comes from the catalogue, not from the event."""

    @task
    def find(*, params: dict[str, Any]) -> list[list[str]]:
        from ingest import tasks

        return tasks.underived(params["batch_size"], params["limit"])

    @task(max_active_tis_per_dagrun=4, execution_timeout=timedelta(hours=3))
    def derive(items: list[str]) -> list[dict[str, Any]]:
        from ingest import tasks

        attempt = get_current_context()["ti"]
        return tasks.derive_batch(items, last_try=attempt.try_number > attempt.max_tries)

    @task(trigger_rule="all_done", multiple_outputs=False)
    def summarise(batches: list[list[str]], results: list[list[dict[str, Any]]]) -> dict[str, Any]:
        from ingest import tasks

        return tasks.summarise(batches, results)

    @task(outlets=[INDICES], trigger_rule="all_done", retries=0)
    def verdict(summary: dict[str, Any]) -> str:
        from ingest import tasks

        return tasks.verdict(summary)

    batches = find()
    verdict(summarise(batches, derive.expand(items=batches)))


derive_indices()
