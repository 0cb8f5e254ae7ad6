"""Pack images of many dates each night, so that long series are quick: the assets that INGEST_PACK_ASSETS names."""

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag, task
from catalogue import CONVERSION, DAG_DEFAULTS, at, is_last_try
from conclusion import conclude

PARAMS = {
    "assets": Param(
        None,
        type=["null", "string"],
        pattern="^[A-Za-z0-9, ]+$",
        description="Images to pack, such as NDVI,MASK; empty: INGEST_PACK_ASSETS, and none if that is empty too",
    )
}


@dag(
    **DAG_DEFAULTS,
    schedule=at("23 1 * * *"),
    params=PARAMS,
    tags=["care"],
)
def pack_series() -> None:
    """Find -> pack each asset of each tile -> conclude. What is packed already is left alone."""

    @task
    def find(*, params: dict[str, Any]) -> list[list[str]]:
        from ingest import tasks

        return tasks.packable(params["assets"])

    @task(pool=CONVERSION, max_active_tis_per_dagrun=2, execution_timeout=timedelta(hours=12))
    def pack(series: list[str]) -> list[dict[str, Any]]:
        from ingest import tasks

        return tasks.pack_batch(series, last_try=is_last_try())

    batches = find()
    conclude(batches, pack.expand(series=batches), noun="series")


pack_series()
