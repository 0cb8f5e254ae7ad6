"""Ask providers for new products of the watched areas, once a day: what is wanted wakes the downloads.

With tiles or a bbox: for these instead, by the other parameters.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import Metadata, Param, dag, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from catalogue import CATALOGUE, DAG_DEFAULTS, DAY, OFFERS, PROVIDERS, TILE, at, today

PARAMS = {
    "provider": Param("cdse", enum=[*PROVIDERS], description="Where to look"),
    "tiles": Param([], type="array", items=TILE, description="MGRS tiles, such as 48PWU"),
    "bbox": Param(
        None,
        type=["null", "array"],
        items={"type": "number"},
        minItems=4,
        maxItems=4,
        description="west, south, east, north in degrees",
    ),
    "start": Param("today-30", **DAY, description="First day; `today` is the day of the run"),
    "end": Param("today", **DAY, description="Last day"),
    "max_cloud": Param(None, type=["null", "number"], minimum=0, maximum=100, description="Most cloud cover, per cent"),
    "level": Param("l2a", enum=["l1c", "l2a"], description="Processing level"),
    "orbits": Param(
        [],
        type="array",
        items={"type": "integer", "minimum": 1, "maximum": 143},
        description="Relative orbits; empty: all",
    ),
    "baseline": Param(None, type=["null", "string"], description="05.11, or a range such as 05.00.."),
    "newest_only": Param(default=True, type="boolean", description="Of each acquisition only the newest product"),
    "unless": Param(
        [],
        type="array",
        items={"enum": ["l1c", "l2a", "indices"]},
        description="Not what is held as one of these already; empty: its own level",
    ),
}


@dag(
    **DAG_DEFAULTS,
    schedule=at("7 2 * * *"),
    params=PARAMS,
    tags=["download"],
)
def discover_products() -> None:
    """Search -> note -> announce; an area that failed makes the run fail, after the others.

    The day of the run is its logical date, so that Airflow's backfill works. Without tiles and bbox the parameters
    of the search are those of each watched area.
    """

    @task(pool=CATALOGUE, execution_timeout=timedelta(minutes=30), multiple_outputs=False)
    def search(*, params: dict[str, Any]) -> dict[str, Any]:
        from ingest import source_tasks

        if params["tiles"] or params["bbox"]:
            return source_tasks.discover(params, params["provider"], today(), unless=params["unless"])
        found = source_tasks.discover_areas(today(), unless=params["unless"])
        if not found["areas"] and not found["failed"]:
            raise AirflowSkipException(
                "No area is watched (`sen2extract areas add`), neither tiles nor bbox are given."
            )
        return found

    @task(outlets=[OFFERS])
    def announce(found: dict[str, Any]) -> Any:
        if not found["wanted"]:
            raise AirflowSkipException("Nothing is wanted that we do not have.")
        yield Metadata(OFFERS, {"products": found["wanted"]})

    @task
    def verdict(found: dict[str, Any]) -> str:
        from ingest import source_tasks
        from ingest.tasks import UnfinishedError

        try:
            return source_tasks.areas_verdict(found)
        except UnfinishedError as error:
            raise AirflowFailException(str(error)) from error

    found = search()
    announce(found)
    verdict(found)


discover_products()
