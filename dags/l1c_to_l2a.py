"""Make L2A products of L1C products that have none, with Sen2Cor where it is installed: every night.

Without Sen2Cor (INGEST_SEN2COR, or L2A_Process on the PATH of the worker) all tasks are skipped.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag, task
from catalogue import CONVERSION, DAG_DEFAULTS, INBOX, at
from conclusion import conclude

PARAMS = {"limit": Param(50, type="integer", minimum=1, maximum=1000, description="Most products of one run")}


@dag(**DAG_DEFAULTS, schedule=at("41 3 * * *"), params=PARAMS, tags=["ingest"])
def l1c_to_l2a() -> None:
    """Installed? -> find -> correct, a task per product -> conclude: what came into the inbox wakes the ingestion.

    What Sen2Cor failed at is in the ledger, with the place of its log, and is tried on three nights.
    """

    @task.short_circuit
    def installed() -> list[str]:
        from ingest import care_tasks

        return care_tasks.sen2cor_installed()

    @task
    def find(*, params: dict[str, Any]) -> list[list[str]]:
        from ingest import care_tasks

        return care_tasks.uncorrected(params["limit"])

    # The time that Sen2Cor may take is a setting, INGEST_SEN2COR_MINUTES; this one is for the rest of the task.
    @task(pool=CONVERSION, max_active_tis_per_dagrun=1, execution_timeout=timedelta(hours=24))
    def correct(entries: list[str]) -> list[dict[str, Any]]:
        from ingest import care_tasks

        return care_tasks.correct(entries)

    batches = find()
    installed() >> batches
    conclude(batches, correct.expand(entries=batches), announces=INBOX, state="downloaded")


l1c_to_l2a()
