"""A small client of Airflow's REST API: start a run of a DAG and follow it."""

import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import httpx

_SECONDS = 120.0
"""A busy machine's Airflow takes its time, right after its start above all."""
ENDED = frozenset({"success", "failed", "upstream_failed", "skipped", "removed"})


class AirflowError(RuntimeError):
    """Airflow refused, or a run cannot be followed; the message says what it answered."""


class Airflow:
    """Airflow at an address where everyone is admin (the embedded stack's)."""

    def __init__(self, url: str) -> None:
        token = httpx.get(f"{url}/auth/token", timeout=_SECONDS, trust_env=False)
        if not token.is_success:
            raise AirflowError(f"{url}/auth/token: {token.status_code} {token.text[:200]}")
        headers = {"Authorization": f"Bearer {token.json()['access_token']}"}
        self._client = httpx.Client(base_url=f"{url}/api/v2/", headers=headers, timeout=_SECONDS, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def wait_for_dag(self, dag: str, seconds: float = 60) -> None:
        """Return when Airflow knows the DAG; raises `AirflowError`, with import errors, when it does not come."""
        deadline = time.monotonic() + seconds
        while self._client.get(f"dags/{dag}").status_code == httpx.codes.NOT_FOUND:
            if time.monotonic() > deadline:
                broken = self._get("importErrors")["import_errors"]
                raise AirflowError(f"Airflow has no DAG {dag} after {seconds:.0f} s; import errors: {broken}")
            time.sleep(0.5)

    def trigger(self, dag: str, conf: dict[str, Any]) -> str:
        """Start a run and return its id."""
        answer = self._client.post(f"dags/{dag}/dagRuns", json={"logical_date": None, "conf": conf})
        return str(_checked(answer)["dag_run_id"])

    def state(self, dag: str, run: str) -> str:
        """Return the state of a run: queued, running, success or failed."""
        return str(self._get(f"dags/{dag}/dagRuns/{run}")["state"])

    def tasks(self, dag: str, run: str) -> list[dict[str, Any]]:
        """Return the run's task instances."""
        rows: list[dict[str, Any]] = []
        while True:
            path = f"dags/{dag}/dagRuns/{run}/taskInstances"
            page = self._get(path, params={"limit": 100, "offset": len(rows)})
            rows += page["task_instances"]
            if len(rows) >= page["total_entries"]:
                return rows

    def result(self, dag: str, run: str, task: str) -> Any | None:
        """Return what a task returned, None when it has returned nothing (yet)."""
        path = f"dags/{dag}/dagRuns/{run}/taskInstances/{task}/xcomEntries/return_value"
        answer = self._client.get(path, params={"deserialize": True})
        return None if answer.status_code == httpx.codes.NOT_FOUND else _checked(answer)["value"]

    def follow(self, dag: str, run: str, mapped: str, pause: float = 1.0) -> Iterator[tuple[str, set[int]]]:
        """Yield the run's state and which indices of a mapped task have ended, until the run has."""
        while True:
            state = self.state(dag, run)
            rows = [row for row in self.tasks(dag, run) if row["task_id"] == mapped and row["map_index"] >= 0]
            yield state, {row["map_index"] for row in rows if row["state"] in ENDED}
            if state in ENDED:
                return
            time.sleep(pause)

    def _get(self, path: str, **options: Any) -> dict[str, Any]:
        return _checked(self._client.get(path, **options))


def _checked(answer: httpx.Response) -> dict[str, Any]:
    if not answer.is_success:
        raise AirflowError(f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text[:500]}")
    value: dict[str, Any] = answer.json()
    return value
