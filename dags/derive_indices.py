"""Make the indices and masks that L2A items lack: after each ingestion, and daily for what an event may have missed."""

from datetime import timedelta
from typing import Any

from airflow.sdk import AssetOrTimeSchedule, Param, dag, task
from catalogue import CONVERSION, DAG_DEFAULTS, INDICES, L2A, at, is_last_try
from conclusion import conclude

SCHEDULE = AssetOrTimeSchedule(timetable=at("17 3 * * *"), assets=[L2A])
PARAMS = {
    "batch_size": Param(8, type="integer", minimum=1, maximum=200, description="Items per task"),
    "limit": Param(500, type="integer", minimum=1, maximum=10000, description="Most items of one run"),
}


@dag(
    **DAG_DEFAULTS,
    schedule=SCHEDULE,
    params=PARAMS,
    tags=["ingest"],
)
def derive_indices() -> None:
    """Find -> derive in batches -> conclude; the work comes from the catalogue, not from the event."""

    @task
    def find(*, params: dict[str, Any]) -> list[list[str]]:
        from ingest import tasks

        return tasks.underived(params["batch_size"], params["limit"])

    @task(pool=CONVERSION, max_active_tis_per_dagrun=4, execution_timeout=timedelta(hours=3))
    def derive(items: list[str]) -> list[dict[str, Any]]:
        from ingest import tasks

        return tasks.derive_batch(items, last_try=is_last_try())

    batches = find()
    conclude(batches, derive.expand(items=batches), announces=INDICES)


derive_indices()
