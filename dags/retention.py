"""Remove the products that the rules of watched areas, or INGEST_RETENTION, let go: once a day. Without rules, none."""

from datetime import timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable, Param, dag, task
from catalogue import TASK_DEFAULTS

PARAMS = {"dry_run": Param(default=False, type="boolean", description="Only say what would be removed")}


@dag(
    schedule=CronTriggerTimetable("53 5 * * *", timezone="UTC"),
    catchup=False,
    params=PARAMS,
    default_args=TASK_DEFAULTS,
    max_active_runs=1,
    tags=["care"],
)
def retention() -> None:
    """One task; its result counts what became of the products, and its log names each with the reason."""

    @task(execution_timeout=timedelta(hours=6), multiple_outputs=False)
    def remove(*, params: dict[str, Any]) -> dict[str, Any]:
        from ingest import care_tasks

        return care_tasks.retention(dry_run=params["dry_run"])

    remove()


retention()
