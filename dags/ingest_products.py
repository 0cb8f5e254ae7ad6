"""Ingest the products of an inbox: COGs to the bucket, items to the catalogue, one event when all is done."""

from datetime import timedelta
from typing import Any

from airflow.sdk import Metadata, Param, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException
from catalogue import INBOX, L2A, TASK_DEFAULTS

PARAMS = {
    "inbox": Param(None, type=["null", "string"], description="Folder of products; empty: INGEST_INBOX"),
    "batch_size": Param(8, type="integer", minimum=1, maximum=200, description="Products per task"),
    "assets": Param(
        None,
        type=["null", "array"],
        items={"type": "string", "pattern": "^[A-Za-z0-9]+$"},
        description="Only these assets, such as B04, B08, SCL; empty: all",
    ),
}


@dag(schedule=[INBOX], params=PARAMS, default_args=TASK_DEFAULTS, max_active_runs=1, tags=["ingest"])
def ingest_products() -> None:
    """Discover -> ingest in batches -> summarise -> verdict. A run in which a product failed is red and names it."""

    @task
    def discover(*, params: dict[str, Any]) -> list[list[str]]:
        from ingest import tasks

        return tasks.discover(params["inbox"], params["batch_size"])

    @task(max_active_tis_per_dagrun=4, execution_timeout=timedelta(hours=3))
    def ingest(sources: list[str], *, params: dict[str, Any]) -> list[dict[str, Any]]:
        from ingest import tasks

        attempt = get_current_context()["ti"]
        return tasks.ingest_batch(sources, params["assets"], last_try=attempt.try_number > attempt.max_tries)

    @task(trigger_rule="all_done", multiple_outputs=False)
    def summarise(batches: list[list[str]], results: list[list[dict[str, Any]]]) -> dict[str, Any]:
        from ingest import tasks

        return tasks.summarise(batches, results)

    @task(outlets=[L2A], trigger_rule="all_done")
    def announce(summary: dict[str, Any]) -> Any:
        if not summary["items"]:
            raise AirflowSkipException("Nothing new was published.")
        yield Metadata(L2A, {"items": len(summary["items"])})

    @task(trigger_rule="all_done", retries=0)
    def verdict(summary: dict[str, Any]) -> str:
        from ingest import tasks

        return tasks.verdict(summary)

    batches = discover()
    summary = summarise(batches, ingest.expand(sources=batches))
    announce(summary) >> verdict(summary)


ingest_products()
