"""How a run over many products ends: counted, announced by one event, judged."""

from typing import Any

from airflow.sdk import Asset, Metadata, TaskGroup, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException


def conclude(
    batches: Any, results: Any, *, announces: Asset | None = None, state: str = "published", noun: str = "products"
) -> None:
    """Summarise -> announce -> verdict, whatever became of the tasks before.

    `batches` are lists of what was to be done, `results` the outcomes of each. `announces` gets one event if anything
    came into `state`. A run in which something failed is red and names it; what an earlier run found invalid is
    named only.
    """
    with TaskGroup("conclusion", prefix_group_id=False, tooltip="What came of it"):
        summary = summarise(batches, results)
        end = verdict(summary, noun)
        if announces is not None:
            _announce(announces, state)(summary) >> end


@task(trigger_rule="all_done", multiple_outputs=False)
def summarise(
    batches: list[list[str] | None] | None, results: list[list[dict[str, Any]]], *, dag_run: Any
) -> dict[str, Any]:
    """Count the outcomes and list the troubles; what earlier runs found invalid, and told of, is none."""
    from ingest import tasks

    return tasks.summarise(batches, results, dag_run.start_date)


@task(trigger_rule="all_done", retries=0)
def verdict(summary: dict[str, Any] | None, noun: str) -> str:
    """Say in words what came of it, red if anything is wrong."""
    from ingest import tasks

    if summary is None:
        raise AirflowFailException("What came of it was not counted: see the logs of the tasks before.")
    return tasks.verdict(summary, noun)


def _announce(asset: Asset, state: str) -> Any:
    @task(outlets=[asset], trigger_rule="all_done")
    def announce(summary: dict[str, Any] | None) -> Any:
        count = summary["states"].get(state) if summary else 0
        if not count:
            raise AirflowSkipException(f"Nothing new was {state}.")
        yield Metadata(asset, {"products": count})

    return announce
