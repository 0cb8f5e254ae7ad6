"""Ask a provider for new products, once a day: what is wanted comes into the queue, which wakes the downloads."""

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable, Metadata, Param, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException
from catalogue import OFFERS, TASK_DEFAULTS

DAY = {"type": "string", "pattern": r"^(\d{4}-\d{2}-\d{2}|today(-\d{1,5})?)$"}
TILE = {"type": "string", "pattern": "^[0-9]{2}[C-HJ-NP-X][A-HJ-NP-Z][A-HJ-NP-V]$"}
PARAMS = {
    "provider": Param("cdse", enum=["cdse", "earth-search"], description="Where to look"),
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
    "orbits": Param([], type="array", items={"type": "integer", "minimum": 1, "maximum": 143}),
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
    schedule=CronTriggerTimetable("7 2 * * *", timezone="UTC"),
    catchup=False,
    params=PARAMS,
    default_args=TASK_DEFAULTS,
    max_active_runs=1,
    tags=["download"],
)
def discover_products() -> None:
    """Search -> note -> announce. The day of the run is its logical date, so that Airflow's backfill works."""

    @task(execution_timeout=timedelta(minutes=30), multiple_outputs=False)
    def search(*, params: dict[str, Any]) -> dict[str, Any]:
        from ingest import source_tasks

        if not params["tiles"] and not params["bbox"]:
            raise AirflowSkipException("Neither tiles nor a bbox are given: nothing to look for.")
        when = get_current_context().get("logical_date") or datetime.now(UTC)
        return source_tasks.discover(params, params["provider"], when.date(), unless=params["unless"])

    @task(outlets=[OFFERS])
    def announce(found: dict[str, Any]) -> Any:
        if not found["wanted"]:
            raise AirflowSkipException("Nothing is wanted that we do not have.")
        yield Metadata(OFFERS, {"products": found["wanted"]})

    announce(search())


discover_products()
