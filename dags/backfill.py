"""Fill a long period of a watched area, or of tiles: searched step by step, queued as far as the queue has room.

Started by hand; started again it goes on where it was, since what is held or queued is not wanted again.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import Metadata, Param, dag, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from catalogue import CATALOGUE, DAG_DEFAULTS, DAY, OFFERS, PROVIDERS, TILE, is_last_try, today

PARAMS = {
    "area": Param(None, type=["null", "string"], description="Name of a watched area; its clouds and rules apply"),
    "tiles": Param([], type="array", items=TILE, description="MGRS tiles, such as 48PWU, where no area is named"),
    "start": Param("2015-07-01", **DAY, description="First day"),
    "end": Param("today", **DAY, description="Last day"),
    "provider": Param(None, type=["null", "string"], enum=[None, *PROVIDERS], description="Empty: the area's, or cdse"),
    "levels": Param([], type="array", items={"enum": ["l1c", "l2a"]}, description="Empty: the area's, or l2a"),
    "days": Param(30, type="integer", minimum=1, maximum=366, description="Days of one step, each a task"),
    "queue": Param(
        1000, type="integer", minimum=1, maximum=100_000, description="Most products that may wait for their download"
    ),
}


@dag(**DAG_DEFAULTS, schedule=None, params=PARAMS, tags=["download"])
def backfill() -> None:
    """Steps -> search, one after the other, oldest first -> announce -> verdict, red if any step is left."""

    @task
    def steps(*, params: dict[str, Any]) -> list[dict[str, str]]:
        from ingest import source_tasks

        return source_tasks.steps(params["start"], params["end"], params["days"], today())

    @task(pool=CATALOGUE, max_active_tis_per_dagrun=1, execution_timeout=timedelta(minutes=30), multiple_outputs=False)
    def search(step: dict[str, str], *, params: dict[str, Any]) -> dict[str, Any]:
        from ingest import source_tasks

        return source_tasks.fill(step, params, today(), last_try=is_last_try())

    @task(outlets=[OFFERS], trigger_rule="all_done")
    def announce(found: list[dict[str, Any]]) -> Any:
        wanted = sum(each["wanted"] for each in found)
        if not wanted:
            raise AirflowSkipException("Nothing is wanted that we do not have.")
        yield Metadata(OFFERS, {"products": wanted})

    @task(trigger_rule="all_done", retries=0)
    def verdict(planned: list[dict[str, str]] | None, found: list[dict[str, Any]]) -> str:
        from ingest import source_tasks

        if planned is None:
            raise AirflowFailException("The period could not be cut into steps: see the log of `steps`.")
        return source_tasks.fill_verdict(planned, list(found))

    planned = steps()
    found = search.expand(step=planned)
    announce(found) >> verdict(planned, found)


backfill()
