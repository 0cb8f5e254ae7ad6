"""Compare bucket and catalogue once a day; the report is the task's result."""

from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task
from catalogue import CATALOGUE, DAG_DEFAULTS, at


@dag(**DAG_DEFAULTS, schedule=at("43 4 * * *"), tags=["care"])
def reconcile_catalogue() -> None:
    """Report what is in one and not in the other; it repairs nothing."""

    @task(pool=CATALOGUE, execution_timeout=timedelta(hours=1), multiple_outputs=False)
    def report() -> dict[str, Any]:
        from ingest import tasks

        return tasks.reconcile()

    report()


reconcile_catalogue()
