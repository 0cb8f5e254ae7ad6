"""Patience with a store or database that is away: tried again with growing pauses, inside bounds, then given up."""

import logging

from tenacity import Retrying, before_sleep_log, retry_if_exception_type, stop_after_delay, wait_random_exponential

from ingest.errors import StoreAwayError
from stac.errors import CatalogAwayError
from stac.settings import Settings

log = logging.getLogger(__name__)

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 10.0


def patiently(settings: Settings) -> Retrying:
    """Call something that can safely be done twice: `patiently(settings)(function, *arguments)`.

    What passes is tried again for `ingest_patience` seconds; then its own error is raised. Anything else is at once.
    """
    return Retrying(
        retry=retry_if_exception_type((StoreAwayError, CatalogAwayError)),
        wait=wait_random_exponential(multiplier=_FIRST_PAUSE, max=_LONGEST_PAUSE),
        stop=stop_after_delay(settings.ingest_patience),
        before_sleep=before_sleep_log(log, logging.WARNING),
        reraise=True,
    )
