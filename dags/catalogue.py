"""What the DAGs share: the catalogue as assets, the pools, and the defaults every DAG and task starts from."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from airflow.sdk import Asset, CronTriggerTimetable, RetryDecision, RetryPolicy, get_current_context
from notices import by_mail, by_webhook

L2A = Asset("sentinel-2-l2a")
INDICES = Asset("sentinel-2-indices")
OFFERS = Asset("sentinel-2-offers")
INBOX = Asset("sentinel-2-inbox")

# Pools, as `pools.json` has them: connections to each provider, images converted or read, work on the whole catalogue.
PROVIDERS = {"cdse": "provider_cdse", "earth-search": "provider_earth_search"}
CONVERSION = "conversion"
CATALOGUE = "catalogue"

# Schemas of parameters.
DAY = {"type": "string", "pattern": r"^(\d{4}-\d{2}-\d{2}|today(-\d{1,5})?)$"}
TILE = {"type": "string", "pattern": "^[0-9]{2}[C-HJ-NP-X][A-HJ-NP-Z][A-HJ-NP-V]$"}

#: Errors that no other try would mend, with all that derive from them; everything else may pass.
FINAL = frozenset({
    "airflow.sdk.exceptions.ParamValidationError",
    "ingest.errors.InvalidProductError",
    "ingest.sources.errors.RefusedError",
    "ingest.tasks.WrongInputError",
    "pydantic_core._pydantic_core.ValidationError",
    "stac.errors.InvalidDocumentError",
    "stac.errors.NameFormatError",
    "stac.errors.UnknownNameError",
    "tiler.series.batch.tasks.MissingJobError",
    "tiler.series.errors.SeriesRequestError",
    "tiler.series.errors.SeriesTooLargeError",
})  # fmt: skip


class ByKind(RetryPolicy):
    """What is wrong with the input fails at once; a store, database or provider that is away is worth another try.

    Kinds are compared by name, so that a DAG file imports none of our packages.
    """

    def evaluate(self, exception: BaseException, try_number: int, max_tries: int, context: Any = None) -> RetryDecision:
        """Decide by the error's class and those it derives from."""
        del try_number, max_tries, context
        kinds = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(exception).__mro__}
        if kinds & FINAL:
            return RetryDecision.fail(f"no other try would mend it: {exception}")
        return RetryDecision.default()


def at(cron: str) -> CronTriggerTimetable:
    """A schedule in UTC, from its next time on.

    Airflow would otherwise run at once what was due up to a tenth of the period ago: for two hours of a day, a stack
    that has just started would ingest beside the run that its user asks for.
    """
    return CronTriggerTimetable(cron, timezone="UTC", run_immediately=timedelta(0))


TASK_DEFAULTS: dict[str, Any] = {
    "owner": "sen2extract",
    "retries": 2,
    "retry_delay": timedelta(seconds=20),
    "retry_exponential_backoff": 3.0,
    "max_retry_delay": timedelta(minutes=15),
    "retry_policy": ByKind(),
    "execution_timeout": timedelta(minutes=15),
}
DAG_DEFAULTS: dict[str, Any] = {
    "catchup": False,
    "default_args": TASK_DEFAULTS,
    "max_active_runs": 1,
    "on_failure_callback": [by_mail, by_webhook],
}


def is_last_try() -> bool:
    """Whether the running task is not tried again when it fails."""
    attempt = get_current_context()["ti"]
    return bool(attempt.try_number > attempt.max_tries)


def today() -> date:
    """The day for which the run is: its logical date, so that Airflow's backfill asks for what was offered then."""
    day: datetime = get_current_context().get("logical_date") or datetime.now(UTC)
    return day.date()


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
