"""The whole embedded stack, on ports and in a folder of its own, with a small archive in its inbox; a pytest plugin."""

import os
import secrets
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from shutil import rmtree
from typing import Any

import environment
import httpx
import processes
import pytest
from airflow_client import Airflow
from environment import PORTS, ROOT, WEED_OFFSETS
from fakes.provider import Provider
from waiting import wait_for

from ingest.sample import ProductSpec, write_product

DAYS = (5, 10, 15)
DAG = "ingest_products"


@dataclass(frozen=True)
class Running:
    """The stack, a client of its gateway, and what is in its inbox."""

    stack: environment.Stack
    client: httpx.Client
    specs: list[ProductSpec]

    def ingest(self, inbox: Path) -> tuple[str, dict[str, Any]]:
        """Have Airflow ingest a folder; returns the run's state and its summary."""
        with Airflow(self.stack.airflow_url) as airflow:
            airflow.wait_for_dag(DAG, seconds=300)
            run = airflow.trigger(DAG, {"inbox": str(inbox), "batch_size": 2})
            states = [state for state, _ in airflow.follow(DAG, run, mapped="ingest")]
            return states[-1], airflow.result(DAG, run, "summarise")

    def held(self) -> int:
        """Items in the catalogue."""
        return int(self.client.get("/stac/search", params={"limit": 1}).json()["numberMatched"])

    @property
    def inbox(self) -> Path:
        return Path(self.stack.env["INGEST_INBOX"])


def _command(name: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    words = [ROOT / ".venv/bin/python", ROOT / "deploy/local/stack.py", name]
    return subprocess.run(words, env=env, cwd="/", capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def command() -> Callable[[str, dict[str, str]], subprocess.CompletedProcess[str]]:
    """A function that runs `stack.py up|down|status` in an environment."""
    return _command


@pytest.fixture(scope="session")
def loopback_provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """A provider that the stack downloads from; it has nothing yet."""
    with Provider(tmp_path_factory.mktemp("provider")).serve() as provider:
        yield provider


@pytest.fixture(scope="session")
def stack_environment(free_port: Callable[..., int], loopback_provider: Provider) -> Iterator[dict[str, str]]:
    """Environment of a stack that has nothing to do with the one a developer may be running."""
    home = Path(tempfile.mkdtemp(prefix="s2e-"))
    home.chmod(0o755)
    offsets = {"SEN2EXTRACT_S3_PORT": WEED_OFFSETS.values()}
    ports = {name: str(free_port(offsets.get(name, ()))) for name in PORTS}
    mine = ("PG", "S3_", "AWS_", "PUBLIC_URL", "INGEST_", "AIRFLOW", "STAC_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(mine)}
    own = {"SEN2EXTRACT_HOME": str(home), "STAC_WRITER_TOKEN": secrets.token_hex(32)}
    # No DAG changes here: reading all of them anew every half minute would only keep a core busy.
    own["AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL"] = "120"
    yield {**env, **ports, **loopback_provider.environment(), **own}
    rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def running(stack_environment: dict[str, str]) -> Iterator[Running]:
    started = _command("up", stack_environment)
    assert started.returncode == 0, started.stdout + started.stderr
    stack = environment.load(stack_environment)
    days = [datetime(2025, 1, day, 3, 11, 21, tzinfo=UTC) for day in DAYS]
    specs = [ProductSpec(sensing=day, size=192, cloudiness=0.0) for day in days]
    for spec in specs:
        write_product(spec, Path(stack.env["INGEST_INBOX"]))
    with httpx.Client(base_url=stack.url, timeout=60, trust_env=False) as client:
        yield Running(stack, client, specs)
    family = processes.family(int((stack.run / "manager.pid").read_text().split()[0]))
    assert len(family) > 10
    stopped = _command("down", stack_environment)
    assert stopped.returncode == 0, stopped.stderr
    assert processes.alive(family) == set()


@pytest.fixture(scope="session")
def ingested(running: Running) -> Running:
    """The stack once Airflow has published its inbox."""
    state, summary = running.ingest(running.inbox)
    assert state == "success", summary
    # The daily run may have been quicker, if this is its hour.
    assert set(summary["states"]) <= {"published", "unchanged"}, summary
    wait_for(lambda: running.held() >= 2 * len(DAYS), "the catalogue", 300)
    return running
