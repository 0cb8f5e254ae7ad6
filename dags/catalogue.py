"""What the DAGs share: the catalogue as assets, and the defaults every task starts from."""

from datetime import timedelta
from typing import Any

from airflow.sdk import Asset

L2A = Asset("sentinel-2-l2a")
INDICES = Asset("sentinel-2-indices")

TASK_DEFAULTS: dict[str, Any] = {
    "retries": 2,
    "retry_delay": timedelta(seconds=20),
    "retry_exponential_backoff": 3.0,
    "max_retry_delay": timedelta(minutes=15),
    "execution_timeout": timedelta(minutes=15),
}
