"""A large extraction: its features and dates in chunks, each a task; what is done stays done when another fails."""

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag, task
from catalogue import CONVERSION, DAG_DEFAULTS, is_last_try

PARAMS = {"job": Param("", type="string", pattern="^[0-9a-f-]{36}$", description="Id of the job, as the tiler made it")}


@dag(**{**DAG_DEFAULTS, "max_active_runs": 8}, schedule=None, params=PARAMS, tags=["series"])
def extract_series() -> None:
    """Plan -> extract in chunks -> finish -> verdict. A run that could not read everything is red and says what."""

    @task
    def plan(*, params: dict[str, Any]) -> list[int]:
        from tiler.series.batch import tasks

        return tasks.plan(params["job"])

    # Two of its tasks at a time leave room for ingestion, and for the next job; before ingestion, for somebody waits.
    @task(pool=CONVERSION, priority_weight=10, max_active_tis_per_dagrun=2, execution_timeout=timedelta(hours=2))
    def extract(number: int, *, params: dict[str, Any]) -> dict[str, Any]:
        from tiler.series.batch import tasks

        return tasks.extract(params["job"], number, last_try=is_last_try())

    @task(trigger_rule="all_done", multiple_outputs=False, execution_timeout=timedelta(hours=2))
    def finish(*, params: dict[str, Any]) -> dict[str, Any]:
        from tiler.series.batch import tasks

        return tasks.finish(params["job"])

    @task(trigger_rule="all_done", retries=0)
    def verdict(summary: dict[str, Any]) -> str:
        from tiler.series.batch import tasks

        return tasks.verdict(summary)

    end = finish()
    extract.expand(number=plan()) >> end
    verdict(end)


extract_series()
