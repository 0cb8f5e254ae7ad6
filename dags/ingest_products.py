"""Ingest the products of an inbox: COGs to the bucket, items to the catalogue, one event when all is done.

After each download, and once a day for what an event, a failed run or somebody with a file has left there.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import AssetOrTimeSchedule, Param, dag, task
from catalogue import CONVERSION, DAG_DEFAULTS, INBOX, L2A, at, is_last_try
from conclusion import conclude

SCHEDULE = AssetOrTimeSchedule(timetable=at("33 5 * * *"), assets=[INBOX])
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


@dag(**DAG_DEFAULTS, schedule=SCHEDULE, params=PARAMS, tags=["ingest"])
def ingest_products() -> None:
    """Discover -> ingest in batches -> conclude, and tidy. A run in which a product failed is red and names it.

    Tidying removes downloads that are published, and what broken-off ones left; never what somebody else put there.
    """

    @task
    def discover(*, params: dict[str, Any]) -> list[list[str]]:
        from ingest import tasks

        return tasks.discover(params["inbox"], params["batch_size"])

    @task(pool=CONVERSION, max_active_tis_per_dagrun=4, execution_timeout=timedelta(hours=3))
    def ingest(sources: list[str], *, params: dict[str, Any]) -> list[dict[str, Any]]:
        from ingest import tasks

        return tasks.ingest_batch(sources, params["assets"], last_try=is_last_try())

    @task(trigger_rule="all_done", multiple_outputs=False)
    def tidy() -> dict[str, Any]:
        from ingest import care_tasks

        return care_tasks.tidy()

    batches = discover()
    results = ingest.expand(sources=batches)
    conclude(batches, results, announces=L2A)
    results >> tidy()


ingest_products()
