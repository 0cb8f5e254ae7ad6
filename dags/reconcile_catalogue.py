"""Compare bucket and catalogue once a day; the report is the task's result."""

from datetime import timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable, dag, task
from catalogue import TASK_DEFAULTS


@dag(
    schedule=CronTriggerTimetable("43 4 * * *", timezone="UTC"),
    catchup=False,
    default_args=TASK_DEFAULTS,
    max_active_runs=1,
    tags=["care"],
)
def reconcile_catalogue() -> None:
    """Report what is in one and not in the other; it repairs nothing."""

    @task(execution_timeout=timedelta(hours=1), multiple_outputs=False)
    def report() -> dict[str, Any]:
        from ingest import tasks

        return tasks.reconcile()

    report()


reconcile_catalogue()
