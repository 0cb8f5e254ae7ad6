"""What Airflow's tasks do with providers: plain functions of JSON values, as those of `ingest.tasks`.

`discover_products` runs `discover`; `download_products` runs `queue` and, for each product, `fetch`. The queue is in
the ledger: what one run leaves, the next one takes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from ingest import downloads
from ingest.errors import BusyError
from ingest.outcome import Outcome
from ingest.sources import Quiet, SourceSettings, open_source
from ingest.sources.choose import find
from ingest.sources.errors import PassingError, SourceError
from ingest.sources.query import query_of
from ingest.tasks import UnfinishedError, WrongInputError
from stac.areas import areas as watched
from stac.days import parse_day
from stac.settings import Settings

_MOST_STEPS = 1000

type Credentials = Mapping[str, str]
"""Fields of `SourceSettings` that are not to come from the environment."""


def discover(
    query: Mapping[str, Any], provider: str, today: date, *, unless: list[str] | None = None
) -> dict[str, Any]:
    """Put into the queue what a provider offers and we lack, and mark what it has withdrawn; returns what was found.

    `query` as `query_of` takes it. Relative days count from `today`, so that a run for an earlier day is what it would
    have been. Raises `WrongInputError` for a query that describes nothing, `SourceError` where the provider fails.
    """
    try:
        wanted = query_of(query, today)
    except ValueError as error:
        raise WrongInputError(f"{provider}: {error}") from error
    settings = Settings()
    with open_source(provider, SourceSettings()) as source:
        choices = find(settings, source, wanted, unless=unless or ())
        new = downloads.note(settings, [choice.offer for choice in choices if choice.wanted])
        withdrawn = downloads.withdraw(settings, provider, source.withdrawn(wanted))
    reasons = Counter(choice.reason.partition(":")[0] for choice in choices if not choice.wanted)
    return {
        "offered": len(choices),
        "wanted": sum(choice.wanted for choice in choices),
        "new": new,
        "not_wanted": dict(reasons),
        "withdrawn": withdrawn,
    }


def discover_areas(today: date, *, unless: list[str] | None = None) -> dict[str, Any]:
    """`discover` for each enabled area, and each of its levels.

    An area for which it fails is told with its reason and does not keep the others from being asked for; one whose
    period has ended is passed over. `wanted` is the sum over all areas.
    """
    found: dict[str, dict[str, Any]] = {}
    failed: dict[str, str] = {}
    for area in watched(Settings(), enabled=True):
        for query in [] if area.ended(today) else area.queries():
            name = f"{area.name} {query['level']}"
            try:
                found[name] = discover(query, area.provider, today, unless=unless)
            except (SourceError, UnfinishedError, OSError) as error:
                failed[name] = str(error)
    return {"wanted": sum(each["wanted"] for each in found.values()), "areas": found, "failed": failed}


def areas_verdict(found: Mapping[str, Any]) -> str:
    """One line on what `discover_areas` found; raises `UnfinishedError`, which names each area that failed."""
    failed: Mapping[str, str] = found.get("failed") or {}
    if failed:
        reasons = "\n".join(f"{name}: {reason}" for name, reason in failed.items())
        raise UnfinishedError(f"{len(failed)} searches of watched areas failed:\n{reasons}")
    return f"{found['wanted']} products wanted"


def steps(start: str, end: str, days: int, today: date) -> list[dict[str, str]]:
    """A period, both days of which are part of it, cut into steps of `days`, oldest first.

    Raises `WrongInputError` for what is no day, for an empty period and for more steps than Airflow maps.
    """
    try:
        first, last = parse_day(start, today), parse_day(end, today)
    except ValueError as error:
        raise WrongInputError(str(error)) from error
    if first > last:
        raise WrongInputError(f"the period from {first} to {last} is empty")
    starts = [first + timedelta(days=passed) for passed in range(0, (last - first).days + 1, days)]
    if len(starts) > _MOST_STEPS:
        raise WrongInputError(
            f"{len(starts)} steps of {days} days: no more than {_MOST_STEPS} can be made, take longer"
        )
    ends = [min(one + timedelta(days=days - 1), last) for one in starts]
    return [{"start": str(one), "end": str(other)} for one, other in zip(starts, ends, strict=True)]


def fill(step: Mapping[str, str], params: Mapping[str, Any], today: date, *, last_try: bool = True) -> dict[str, Any]:
    """`discover` for one step of a long period, if the queue has room: `params["queue"]` is the most it may hold.

    For the watched area that `params` names, else for its tiles; `left` is why the step was not done. On all but the
    last try, raises `SourceError` where a provider may answer at another one.
    """
    waiting = downloads.waiting(Settings())
    if waiting >= params["queue"]:
        return {**step, "wanted": 0, "left": f"{waiting} products wait for their download"}
    wanted = 0
    try:
        provider, queries = _asked(params)
        levels = params["levels"] or [query["level"] for query in queries]
        for query in ({**queries[0], **step, "level": level} for level in dict.fromkeys(levels)):
            wanted += discover(query, params["provider"] or provider, today)["wanted"]
    except (SourceError, UnfinishedError, OSError) as error:
        if isinstance(error, PassingError) and not last_try:
            raise
        return {**step, "wanted": wanted, "left": str(error)}
    return {**step, "wanted": wanted, "left": None}


def _asked(params: Mapping[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    if not params["area"]:
        return "cdse", [{"tiles": params["tiles"], "level": "l2a"}]
    found = next((area for area in watched(Settings()) if area.name == params["area"]), None)
    if found is None:
        raise WrongInputError(f"no area {params['area']!r} is watched: see `sen2extract areas list`")
    return found.provider, found.queries()


def fill_verdict(planned: Sequence[Mapping[str, str]], found: Sequence[Mapping[str, Any]]) -> str:
    """One line on what `fill` found; raises `UnfinishedError`, which names the steps that are left."""
    ended = {each["start"] for each in found}
    left = [f"{each['start']} to {each['end']}: {each['left']}" for each in found if each["left"]]
    left += [f"{one['start']} to {one['end']}: its task failed" for one in planned if one["start"] not in ended]
    text = f"{sum(each['wanted'] for each in found)} products wanted in {len(planned) - len(left)} steps"
    if left:
        raise UnfinishedError("\n".join([f"{text}; {len(left)} are left, start it again later:", *sorted(left)[:20]]))
    return text


def queue(provider: str, limit: int) -> list[str]:
    """Names of the products that are to be fetched from a provider, of which at most `limit` now."""
    return [offer.name for offer in downloads.queued(Settings(), provider=provider, limit=limit)]


def fetch(
    name: str, provider: str, credentials: Credentials, *, connections: int, last_try: bool = True
) -> dict[str, Any]:
    """Fetch one product into the inbox and return what became of it.

    On all but the last try, raises `UnfinishedError` where another one may succeed; wrong credentials, a full disk and
    a product that is withdrawn are told at once. Uses no more than `connections` at a time.
    """
    settings = Settings()
    given: dict[str, Any] = {"cdse_connections": connections, "earth_search_connections": connections, **credentials}
    with open_source(provider, SourceSettings(**given)) as source:
        offer = next(iter(downloads.queued(settings, provider=provider, ids=[name])), None)
        if offer is None:
            return _told(name, "unchanged", "no longer in the queue")
        try:
            return downloads.download(settings, source, offer, settings.ingest_inbox, Quiet()).as_dict()
        except BusyError as error:
            return _told(name, "unchanged", str(error))
        except PassingError as error:
            if not last_try:
                raise UnfinishedError(f"{name}: will be tried again: {error}") from error
            return downloads.not_downloaded(offer, error).as_dict()
        except (SourceError, OSError) as error:
            return downloads.not_downloaded(offer, error).as_dict()


def _told(name: str, state: Any, reason: str) -> dict[str, Any]:
    return Outcome(source=name, product=name, state=state, reason=reason).as_dict()
