"""Remove the products that the rules of watched areas, or INGEST_RETENTION, let go: once a day. Without rules, none."""

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag, task
from catalogue import CATALOGUE, DAG_DEFAULTS, at

PARAMS = {"dry_run": Param(default=False, type="boolean", description="Only say what would be removed")}


@dag(**DAG_DEFAULTS, schedule=at("3 6 * * *"), params=PARAMS, tags=["care"])
def retention() -> None:
    """One task; its result counts what became of the products, and its log names each with the reason."""

    @task(pool=CATALOGUE, execution_timeout=timedelta(hours=6), multiple_outputs=False)
    def remove(*, params: dict[str, Any]) -> dict[str, Any]:
        from ingest import care_tasks

        return care_tasks.retention(dry_run=params["dry_run"])

    remove()


retention()
