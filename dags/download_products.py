"""Fetch what is in the queue into the inbox, a few connections per provider; one event wakes the ingestion."""

from datetime import timedelta
from typing import Any

from airflow.sdk import AssetOrTimeSchedule, Param, dag, task
from catalogue import DAG_DEFAULTS, INBOX, OFFERS, PROVIDERS, at, credentials, is_last_try
from conclusion import conclude

SCHEDULE = AssetOrTimeSchedule(timetable=at("37 */6 * * *"), assets=[OFFERS])
PARAMS = {"limit": Param(200, type="integer", minimum=1, maximum=1000, description="Most products of one run")}
#: Connections of one task, which takes as many slots of its provider's pool (see pools.json).
CONNECTIONS = 2


@dag(
    **DAG_DEFAULTS,
    schedule=SCHEDULE,
    params=PARAMS,
    tags=["download"],
)
def download_products() -> None:
    """Queue -> fetch, a task per product -> conclude; the work comes from the ledger."""

    @task
    def queue(provider: str, *, params: dict[str, Any]) -> list[str]:
        from ingest import source_tasks

        return source_tasks.queue(provider, params["limit"])

    @task(
        retries=4,
        retry_delay=timedelta(minutes=1),
        max_retry_delay=timedelta(hours=1),
        execution_timeout=timedelta(hours=2),
        multiple_outputs=False,
    )
    def fetch(name: str, provider: str) -> dict[str, Any]:
        from ingest import source_tasks

        known = credentials(provider)
        return source_tasks.fetch(name, provider, known, connections=CONNECTIONS, last_try=is_last_try())

    queues, results = [], []
    for provider, pool in PROVIDERS.items():
        name = provider.replace("-", "_")
        queues.append(queue.override(task_id=f"queue_{name}")(provider))
        fetching = fetch.override(task_id=f"fetch_{name}", pool=pool, pool_slots=CONNECTIONS)
        results.append(fetching.partial(provider=provider).expand(name=queues[-1]))
    conclude(queues, results, announces=INBOX, state="downloaded")


download_products()
