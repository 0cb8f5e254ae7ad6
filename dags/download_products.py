"""Fetch what is in the queue into the inbox, a few connections per provider; one event wakes the ingestion."""

from datetime import timedelta
from typing import Any

from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable, Metadata, Param, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException
from catalogue import INBOX, OFFERS, TASK_DEFAULTS, credentials

SCHEDULE = AssetOrTimeSchedule(timetable=CronTriggerTimetable("37 */6 * * *", timezone="UTC"), assets=[OFFERS])
PARAMS = {"limit": Param(200, type="integer", minimum=1, maximum=1000, description="Most products of one run")}
PROVIDERS = {"cdse": "provider_cdse", "earth-search": "provider_earth_search"}
#: Connections of one task, which takes as many slots of its provider's pool (see pools.json).
CONNECTIONS = 2


@dag(
    schedule=SCHEDULE,
    catchup=False,
    params=PARAMS,
    default_args=TASK_DEFAULTS,
    max_active_runs=1,
    tags=["download"],
)
def download_products() -> None:
    """Queue -> fetch, a task per product -> summarise -> announce -> verdict; the work comes from the ledger."""

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

        attempt = get_current_context()["ti"]
        last = attempt.try_number > attempt.max_tries
        return source_tasks.fetch(name, provider, credentials(provider), connections=CONNECTIONS, last_try=last)

    @task(trigger_rule="all_done", multiple_outputs=False)
    def summarise(queues: list[list[str]], results: list[list[dict[str, Any]]]) -> dict[str, Any]:
        from ingest import tasks

        return tasks.summarise(queues, results)

    @task(outlets=[INBOX], trigger_rule="all_done")
    def announce(summary: dict[str, Any]) -> Any:
        if not summary["states"].get("downloaded"):
            raise AirflowSkipException("Nothing new came into the inbox.")
        yield Metadata(INBOX, {"products": summary["states"]["downloaded"]})

    @task(trigger_rule="all_done", retries=0)
    def verdict(summary: dict[str, Any]) -> str:
        from ingest import tasks

        return tasks.verdict(summary)

    queues, results = [], []
    for provider, pool in PROVIDERS.items():
        name = provider.replace("-", "_")
        queues.append(queue.override(task_id=f"queue_{name}")(provider))
        fetching = fetch.override(task_id=f"fetch_{name}", pool=pool, pool_slots=CONNECTIONS)
        results.append(fetching.partial(provider=provider).expand(name=queues[-1]))
    summary = summarise(queues, results)
    announce(summary) >> verdict(summary)


download_products()
