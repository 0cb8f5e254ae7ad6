"""Which of the products offered are worth fetching: not what an older product brought already, and one of each kind."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest import ledger
from ingest.ledger import Entry
from ingest.sources.base import Offer, Source
from ingest.sources.query import Query
from stac import catalog
from stac.collections import BY_LEVEL
from stac.naming import Baseline, ProductName
from stac.settings import Settings
from stac.supersede import acquisition_of, mark_superseded

type Acquisition = tuple[str, ...]
type Held = Mapping[Acquisition, Mapping[str, tuple[Baseline, str]]]
"""Of acquisitions without their datastrip: by its start, or "", the highest baseline held, and where."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A product on offer, whether it is to be fetched, and why (not)."""

    offer: Offer
    wanted: bool
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return self.offer.as_dict() | {"wanted": self.wanted, "reason": self.reason}


def find(
    settings: Settings, source: Source, query: Query, *, unless: Iterable[str] = (), again: bool = False
) -> list[Choice]:
    """What a provider offers, by name, with a decision on each.

    A product is not wanted if one of its acquisition and of no older baseline is held in the collections of `unless`
    (by default its own level's), or if it has been fetched before; `again` wants those too.
    """
    offers = {offer.name: offer for offer in source.search(query)}
    if not offers:
        return []
    times = [offer.product.datatake_start for offer in offers.values()]
    collections = [BY_LEVEL[name] for name in tuple(unless) or (query.level.lower(),)]
    tiles = sorted({str(offer.product.tile) for offer in offers.values()})
    held = {} if again else held_of(catalog.products_held(settings, collections, tiles, min(times), max(times)))
    known = ledger.entries(settings, offers)
    newest = {offer.name for offer in newest_of(offers.values(), settings)} if query.newest_only else set(offers)
    return [
        decide(offer, newest=offer.name in newest, held=held, entry=known.get(name), again=again)
        for name, offer in sorted(offers.items())
    ]


def decide(offer: Offer, *, newest: bool, held: Held, entry: Entry | None, again: bool) -> Choice:
    """The decision on one offer."""
    reason = None if newest else "a newer product of its acquisition is offered"
    reason = reason or _by_catalogue(offer, held) or _by_ledger(entry, again=again)
    return Choice(offer=offer, wanted=reason is None, reason=reason or "to be fetched")


def newest_of(offers: Iterable[Offer], settings: Settings) -> list[Offer]:
    """Of each acquisition the product that would count if all were held, as `stac.supersede` has it."""
    by_name = {offer.name: offer for offer in offers}
    marked = mark_superseded(map(_as_item, by_name.values()), settings)
    return [by_name[item["id"]] for item in marked if "deprecated" not in item["properties"]]


def held_of(rows: Iterable[tuple[str, str, str]]) -> Held:
    """What the catalogue holds, from collection, id and datastrip id of its items."""
    held: defaultdict[Acquisition, dict[str, tuple[Baseline, str]]] = defaultdict(dict)
    for collection, name, datastrip in rows:
        acquisition, start = acquisition_of(name, datastrip)
        mine = (ProductName.parse(name).baseline, f"{collection}/{name}")
        held[acquisition][start] = max(mine, held[acquisition].get(start, mine))
    return held


def _by_catalogue(offer: Offer, held: Held) -> str | None:
    """Why the catalogue makes an offer superfluous. Where a datastrip is unknown, any of the datatake is meant."""
    acquisition, _ = acquisition_of(offer.name, "")
    start = offer.datastrip_start
    for other, (baseline, name) in held.get(acquisition, {}).items():
        if (not start or not other or start == other) and baseline >= offer.product.baseline:
            return f"held already: {name}"
    return None


def _by_ledger(entry: Entry | None, *, again: bool) -> str | None:
    """Why the ledger makes an offer superfluous: it has had its turn."""
    if entry is not None and entry.state == "converting":
        return "being ingested"
    if entry is None or again:
        return None
    if entry.source.endswith(f":{entry.id}"):  # a provider's address: never fetched
        return None if entry.state in ("seen", "failed", "downloading") else _told(entry)
    if entry.state in ("seen", "downloaded", "failed"):
        return f"in the inbox: {entry.source}" if Path(entry.source).exists() else None
    return _told(entry)


def _told(entry: Entry) -> str:
    return f"{entry.state}{f': {entry.reason}' if entry.reason else ''}"


def _as_item(offer: Offer) -> dict[str, Any]:
    """As much of an item as tells acquisitions and their order apart."""
    name = offer.product
    properties = {"s2:generation_time": f"{name.discriminator:%Y-%m-%dT%H:%M:%SZ}"}
    if offer.datastrip_start:
        properties["s2:datastrip_id"] = f"_S{offer.datastrip_start}_N{name.baseline}"
    collection = BY_LEVEL[name.level.lower()]
    return {"id": offer.name, "collection": collection, "properties": properties, "links": []}
