"""Airflow of its own for the tests of the DAGs: a folder and a small database that go away with them."""

import os
import shutil
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from stac.settings import Settings

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag

DAGS = Path(__file__).resolve().parents[2] / "dags"
HOME = Path(tempfile.mkdtemp(prefix="sen2extract-airflow-"))
# Airflow reads these when it is imported; the DAGs' folder is on the path of all that parses DAGs.
os.environ |= {
    "AIRFLOW_HOME": str(HOME),
    "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__UNIT_TEST_MODE": "True",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME}/airflow.db",
}
sys.path.insert(0, str(DAGS))


def pytest_unconfigure() -> None:
    shutil.rmtree(HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def bag() -> "DagBag":
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(DAGS)


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two tiny L2A products of one tile."""
    from ingest.sample import ProductSpec, write_product

    folder = tmp_path_factory.mktemp("inbox")
    days = (datetime(2025, 1, 5, 3, 11, 21, tzinfo=UTC), datetime(2025, 1, 10, 3, 11, 21, tzinfo=UTC))
    return [write_product(ProductSpec(sensing=day, size=96, cloudiness=0.0), folder) for day in days]


@pytest.fixture
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings, where the tasks look for them: in the environment."""
    for name, value in settings.model_dump().items():
        monkeypatch.setenv(name.upper(), value.get_secret_value() if isinstance(value, SecretStr) else str(value))
    return settings


@pytest.fixture(scope="session")
def airflow_database() -> None:
    from airflow.utils.db import initdb

    initdb()
