"""Airflow as the tiler needs it: start the run of a job, ask how it is, stop it. Its REST API, version 2."""

from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

import httpx

from stac.jobs import DAG
from tiler.series.errors import SeriesError
from tiler.settings import TilerSettings

_SECONDS = 30.0
"""To hand a job over: a busy Airflow is slow, and refusing then would be no better."""
_SECONDS_TO_ASK = 5.0
_RUNS = f"/api/v2/dags/{DAG}/dagRuns"


class AirflowAwayError(SeriesError):
    """Airflow cannot be reached or does not take the job; the message says what it answered."""


@dataclass(kw_only=True)
class Airflow:
    """A client that logs in when it has to; every method raises `AirflowAwayError`."""

    client: httpx.Client
    user: str = ""
    password: str = field(default="", repr=False)
    _token: str = field(default="", repr=False)

    @classmethod
    def of(cls, settings: TilerSettings) -> Self:
        """The Airflow of these settings; nothing is sent yet."""
        client = httpx.Client(base_url=settings.airflow_url, timeout=_SECONDS, trust_env=False)
        return cls(client=client, user=settings.airflow_user, password=settings.airflow_password.get_secret_value())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.close()

    def start(self, job: str) -> None:
        """Start the run of a job; started before, it stays as it is."""
        answer = self._ask("POST", _RUNS, {"dag_run_id": job, "logical_date": None, "conf": {"job": job}})
        if answer.status_code != HTTPStatus.CONFLICT:
            _checked(answer)

    def state(self, job: str) -> str | None:
        """`queued`, `running`, `success` or `failed`; None where Airflow knows no such run."""
        answer = self._ask("GET", f"{_RUNS}/{job}", seconds=_SECONDS_TO_ASK)
        return None if answer.status_code == HTTPStatus.NOT_FOUND else str(_checked(answer)["state"])

    def stop(self, job: str) -> None:
        """End the run; tasks at work are told to stop."""
        answer = self._ask("PATCH", f"{_RUNS}/{job}", {"state": "failed"}, seconds=_SECONDS_TO_ASK)
        if answer.status_code != HTTPStatus.NOT_FOUND:
            _checked(answer)

    def _ask(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, seconds: float = _SECONDS
    ) -> httpx.Response:
        answer = self._send(method, path, body, seconds)
        # The token has expired, or Airflow has a new secret: it answers 403 to that.
        if answer.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            self._token = ""
            answer = self._send(method, path, body, seconds)
        return answer

    def _send(self, method: str, path: str, body: dict[str, Any] | None, seconds: float) -> httpx.Response:
        try:
            self._token = self._token or self._log_in()
            headers = {"Authorization": f"Bearer {self._token}"}
            return self.client.request(method, path, json=body, headers=headers, timeout=seconds)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise AirflowAwayError(f"Airflow cannot be reached ({type(error).__name__})") from error

    def _log_in(self) -> str:
        path = "/auth/token"
        if self.user:
            answer = self.client.post(path, json={"username": self.user, "password": self.password})
        else:
            answer = self.client.get(path)
        return str(_checked(answer)["access_token"])


def _checked(answer: httpx.Response) -> dict[str, Any]:
    """What it says; a refusal is told without its text, which may tell of our inside."""
    try:
        told = answer.json() if answer.is_success else None
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise AirflowAwayError(f"Airflow answered {answer.status_code} to {answer.request.method} {answer.url.path}")
    return told
