"""Export each collection that changed as one stac-geoparquet file, linked from the collection: once a day."""

from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task
from catalogue import CATALOGUE, DAG_DEFAULTS, at


@dag(**DAG_DEFAULTS, schedule=at("47 2 * * *"), tags=["catalogue"])
def export_geoparquet() -> None:
    """One task: collections are read as a stream, so that it takes little memory, and an hour for millions of items."""

    @task(pool=CATALOGUE, execution_timeout=timedelta(hours=3))
    def export() -> list[dict[str, Any]]:
        from ingest import tasks

        return tasks.export_geoparquet()

    export()


export_geoparquet()
