"""What Airflow's tasks do: plain functions of JSON values, without Airflow, so that any runner can call them.

Each takes its settings from the environment. `ingest_products` runs `discover`, `ingest_batch` for each batch, then
`summarise` and `verdict`; `derive_indices` runs `underived`, `derive_batch`, then the same two; `pack_series` runs
`packable`, `pack_batch`, and again those two.
"""

# ruff: noqa: PLC0415 - each task imports what it needs: counting outcomes must not load rasterio

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from ingest.errors import IngestError
from stac.settings import Settings

type Outcome = dict[str, Any]

#: States of an outcome after which there is nothing left to do for a product.
_GOOD = frozenset({"published", "downloaded", "unchanged", "packed"})
#: What the ledger's last word on a product comes to as an outcome.
_TOLD = {"published": "published", "superseded": "published", "failed": "failed", "invalid": "invalid"}
_LOST: Outcome = {"state": "failed", "reason": "its task ended without an outcome: see the log of the task"}
_UNLISTED: Outcome = {
    "product": "others",
    "state": "failed",
    "reason": "the task that was to list what there is to do failed: see its log",
}
#: Airflow maps at most 1024 tasks (`max_map_length`); batches grow beyond what was asked rather than exceed it.
_MOST_BATCHES = 1000
#: How many products and reasons a message names before it counts the rest.
_NAMED = 20


class UnfinishedError(IngestError):
    """Some products were not ingested; the message names each with its reason."""


class WrongInputError(UnfinishedError):
    """What was asked for makes no sense, and would not at another try; the message says what to correct."""


def discover(inbox: str | None, batch_size: int) -> list[list[str]]:
    """Return batches of the products found in a folder (none given: the configured inbox), oldest name first.

    Where workers share no disk, the inbox is that of the bucket.

    Raises `WrongInputError` when the folder does not exist: an empty inbox is fine, a wrong path is not.
    """
    from ingest import handover, ledger
    from ingest.discover import find_products

    settings = Settings()
    if inbox is None and not settings.ingest_shares_disk:
        return batches(handover.waiting(settings), batch_size)
    folder = Path(inbox) if inbox else settings.ingest_inbox
    if not folder.exists():
        raise WrongInputError(f"{folder} does not exist on the worker: correct `inbox`, or set INGEST_INBOX")
    found = find_products([str(folder)])
    if found:
        ledger.see(settings, found)
    return batches(found, batch_size)


def ingest_batch(
    sources: Sequence[str], assets: Sequence[str] | None = None, *, last_try: bool = True
) -> list[Outcome]:
    """Ingest products one after the other and return what became of each, in their order.

    On all but the last try, raises `UnfinishedError` when something failed that may succeed later; what is published
    by then is found unchanged at the next try.
    """
    from ingest import handover
    from ingest.pipeline import ingest_product

    settings = Settings()
    wanted = frozenset(assets) if assets else None
    outcomes = [
        (handover.ingest if handover.is_handed_over(source) else ingest_product)(
            source, settings=settings, assets=wanted
        ).as_dict()
        for source in sources
    ]
    return _finished(outcomes, last_try=last_try)


def underived(batch_size: int, limit: int | None = None) -> list[list[str]]:
    """Return batches of the ids of L2A items that lack indices or a mask, of at most `limit` of them."""
    from ingest import derivation

    return batches(derivation.underived(Settings(), limit=limit), batch_size)


def derive_batch(items: Sequence[str], *, last_try: bool = True) -> list[Outcome]:
    """Make the index items of L2A items, as `ingest_batch` does for products."""
    from ingest.derivation import derive_product

    settings = Settings()
    outcomes = [derive_product(item, settings=settings).as_dict() for item in items]
    return _finished(outcomes, last_try=last_try)


def packable(assets: str | None) -> list[list[str]]:
    """Return what could be packed, as lists of `series`: by default the assets that INGEST_PACK_ASSETS names."""
    from ingest import packs

    settings = Settings()
    names = packs.assets_of(assets or settings.ingest_pack_assets)
    return batches(packs.series_held(settings, names), 1)


def pack_batch(series: Sequence[str], *, last_try: bool = True) -> list[Outcome]:
    """Pack each of `series`, as `ingest_batch` ingests products."""
    from ingest import packs

    settings = Settings()
    told = [packs.pack_series(settings, one) for one in series]
    outcomes = [{**one.as_dict(), "source": one.series, "product": one.series, "items": []} for one in told]
    return _finished(outcomes, last_try=last_try)


def summarise(
    batches: Sequence[Sequence[str] | None] | None,
    results: Iterable[Sequence[Outcome]],
    started: datetime | None = None,
) -> dict[str, Any]:
    """Count the outcomes by state and list the troubles.

    What was found invalid before the run `started`, and has not changed since, is `known`, and no trouble of this run.
    Of a product whose task died without a word the ledger tells how far it came; if it cannot tell, that is a failure.
    None among or instead of the batches stands for a task that failed to list them, which is a trouble, too.
    """
    listed = [batch for batch in batches or () if batch is not None]
    outcomes = {outcome["source"]: outcome for result in results for outcome in result}
    sources = [source for batch in listed for source in batch]
    known = _from_ledger([source for source in sources if source not in outcomes])
    told = [{**outcomes.get(source, known.get(source, _LOST)), "source": source} for source in sources]
    troubles = [
        {**_named(outcome), "state": outcome["state"]}
        for outcome in told
        if outcome["state"] not in _GOOD and not _is_known(outcome, started)
    ]
    if batches is None or len(listed) < len(batches):
        troubles.append(_UNLISTED)
    states = [outcome["state"] for outcome in told]
    return {
        "products": len(told),
        "states": {state: states.count(state) for state in sorted(set(states))},
        "items": [item for outcome in told if outcome["state"] == "published" for item in outcome["items"]],
        "troubles": troubles,
        "known": [{**_named(one), "since": one["known_since"]} for one in told if _is_known(one, started)],
    }


def verdict(summary: dict[str, Any], noun: str = "products") -> str:
    """Return the run's summary in words; raises `UnfinishedError`, with products and reasons, unless all is good."""
    text = described(summary, noun)
    if summary["troubles"]:
        raise UnfinishedError(text)
    return text


def described(summary: dict[str, Any], noun: str = "products") -> str:
    """A run's summary in words: how many of each state, then each trouble with its reason, then what is known."""
    counts = ", ".join(f"{count} {state}" for state, count in summary["states"].items()) or "nothing to do"
    return "\n".join([f"{summary['products']} {noun}: {counts}", *_listed(summary["troubles"]), *_known(summary)])


def reconcile() -> dict[str, Any]:
    """Compare bucket and catalogue; raises `UnfinishedError` when an item names an object that is missing."""
    from ingest.reconcile import report

    found = report(Settings())
    if not found.ok:
        lost = "\n".join(found.missing[:_NAMED])
        raise UnfinishedError(f"{len(found.missing)} objects that the catalogue names are not in the bucket:\n{lost}")
    return found.as_dict()


def export_geoparquet() -> list[dict[str, Any]]:
    """Export the collections that changed as stac-geoparquet; returns what became of each."""
    from ingest.geoparquet import export_all

    return [exported.as_dict() for exported in export_all(Settings())]


def _from_ledger(sources: Sequence[str]) -> dict[str, Outcome]:
    """Outcomes of products that no task told of, as far as they are published or refused; nothing if it is away."""
    if not sources:
        return {}
    from ingest import ledger
    from stac.errors import StacError

    found = {}
    with suppress(StacError):
        for source in sources:
            entry = ledger.find(Settings(), ledger.name_of(source), source)
            if entry is not None and entry.state in _TOLD:
                found[source] = {
                    "product": entry.id,
                    "state": _TOLD[entry.state],
                    "reason": entry.reason,
                    "items": list(entry.items),
                }
    return found


def _finished(outcomes: list[Outcome], *, last_try: bool) -> list[Outcome]:
    failed = [outcome for outcome in outcomes if outcome["state"] == "failed"]
    if failed and not last_try:
        listed = "\n".join(_listed(failed))
        raise UnfinishedError(f"{len(failed)} of {len(outcomes)} failed and will be tried again\n{listed}")
    return outcomes


def _is_known(outcome: Outcome, started: datetime | None) -> bool:
    """Whether a product was refused by an earlier run, and not by an earlier try of this one."""
    since = outcome.get("known_since")
    return since is not None and (started is None or datetime.fromisoformat(since) < started)


def _named(outcome: Outcome) -> dict[str, Any]:
    return {"product": outcome.get("product") or outcome["source"], "reason": outcome["reason"]}


def _listed(troubles: Sequence[Outcome]) -> list[str]:
    return _some([
        f"{trouble.get('product') or trouble['source']}: {trouble['state']}, {trouble['reason']}"
        for trouble in troubles
    ])  # fmt: skip


def _known(summary: Mapping[str, Any]) -> list[str]:
    known = summary.get("known")
    if not known:
        return []
    head = "Left as they are (mend or remove their files, or have one looked at again: sen2extract retry ID):"
    return [
        head,
        *_some([f"{one['product']}: invalid since {_minute(one['since'])}, {one['reason']}" for one in known]),
    ]


def _minute(moment: str) -> str:
    return f"{datetime.fromisoformat(moment):%Y-%m-%d %H:%M} UTC"


def _some(lines: Sequence[str]) -> list[str]:
    """The first lines, and how many more there are."""
    more = len(lines) - _NAMED
    return [*lines[:_NAMED], f"… and {more} more"] if more > 0 else list(lines)


def batches(names: Sequence[str], size: int) -> list[list[str]]:
    """Return names in lists of `size`, or of more when there would be too many lists for Airflow to map."""
    step = max(size, math.ceil(len(names) / _MOST_BATCHES))
    return [list(names[first : first + step]) for first in range(0, len(names), step)]
