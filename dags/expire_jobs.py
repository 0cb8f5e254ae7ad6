"""Remove the results of large extractions that are older than `TILER_JOB_DAYS`, once a day."""

from airflow.sdk import dag, task
from catalogue import CATALOGUE, DAG_DEFAULTS, at


@dag(**DAG_DEFAULTS, schedule=at("13 5 * * *"), tags=["care"])
def expire_jobs() -> None:
    """Remove files and rows of jobs that ended long ago."""

    @task(pool=CATALOGUE)
    def expire() -> int:
        from tiler.series.batch import tasks

        return tasks.expire()

    expire()


expire_jobs()
