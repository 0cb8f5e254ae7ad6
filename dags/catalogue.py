"""What the DAGs share: the catalogue as assets, and the defaults every task starts from."""

from datetime import timedelta
from typing import Any

from airflow.sdk import Asset

L2A = Asset("sentinel-2-l2a")
INDICES = Asset("sentinel-2-indices")
OFFERS = Asset("sentinel-2-offers")
INBOX = Asset("sentinel-2-inbox")

TASK_DEFAULTS: dict[str, Any] = {
    "retries": 2,
    "retry_delay": timedelta(seconds=20),
    "retry_exponential_backoff": 3.0,
    "max_retry_delay": timedelta(minutes=15),
    "execution_timeout": timedelta(minutes=15),
}


def credentials(provider: str) -> dict[str, str]:
    """What the Airflow connection `{provider}_default` holds; without one, the environment's settings are used."""
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    if provider != "cdse":
        return {}
    try:
        connection = Connection.get(f"{provider}_default")
    except AirflowNotFoundException:
        return {}
    extra = connection.extra_dejson
    found = {
        "cdse_user": connection.login,
        "cdse_password": connection.password,
        "cdse_s3_key": extra.get("s3_key"),
        "cdse_s3_secret": extra.get("s3_secret"),
    }
    return {name: value for name, value in found.items() if value}
