"""Gaps of the archive put into the queue of downloads: what a provider offers of exactly the days and tiles missing."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from ingest import downloads, watched
from ingest.sources import SourceSettings, open_source
from ingest.sources.base import Offer
from ingest.sources.choose import Choice, find
from ingest.sources.query import query_of
from stac.areas import Area
from stac.gaps import Gap, TileGaps
from stac.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Search:
    """One question to a provider, and which of its answers are gaps: unit, relative orbit and day."""

    provider: str
    query: dict[str, Any]
    missing: frozenset[tuple[str, int, date]]

    def means(self, offer: Offer) -> bool:
        """Whether an offer is one of the gaps."""
        name = offer.product
        return (name.platform, name.relative_orbit, name.datatake_start.date()) in self.missing


def searches(tiles: Iterable[TileGaps], areas: Sequence[Area], provider: str | None) -> list[Search]:
    """The questions: for each tile and level one per watched area that asks for it, within its limits.

    A tile of no such area is asked for without limits, at `provider` (by default the Copernicus Data Space).
    """
    return [
        Search(provider=provider or asked, query={**rules, **_place(tile.tile, level, gaps)}, missing=_missing(gaps))
        for tile in tiles
        for level, gaps in _by_level(tile.gaps).items()
        for asked, rules in _asked(tile.tile, areas)
    ]


def fill(settings: Settings, wanted: Sequence[Search], *, dry_run: bool = False) -> list[Choice]:
    """Ask for what is missing and put it into the queue of downloads; returns what is offered of it, by name.

    Raises `SourceError` where a provider cannot be asked.
    """
    found: dict[str, Choice] = {}
    for provider in dict.fromkeys(search.provider for search in wanted):
        with open_source(provider, SourceSettings()) as source:
            for search in (one for one in wanted if one.provider == provider):
                query = query_of(search.query, datetime.now(UTC).date())
                offers = [choice for choice in find(settings, source, query) if search.means(choice.offer)]
                found |= {one.offer.name: one for one in offers if one.wanted or one.offer.name not in found}
    choices = [found[name] for name in sorted(found)]
    if not dry_run:
        downloads.note(settings, [choice.offer for choice in choices if choice.wanted])
    return choices


def _asked(tile: str, areas: Sequence[Area]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Provider and limits of each area of a tile that is asked for."""
    mine = [area for area in watched.areas_of(tile, areas) if area.enabled]
    for area in mine:
        yield area.provider, area.queries()[0]
    if not mine:
        yield "cdse", {}


def _place(tile: str, level: str, gaps: Sequence[Gap]) -> dict[str, Any]:
    days = sorted(gap.datetime.date() for gap in gaps)
    return {"tiles": [tile], "area": None, "level": level, "start": str(days[0]), "end": str(days[-1])}


def _missing(gaps: Iterable[Gap]) -> frozenset[tuple[str, int, date]]:
    return frozenset((gap.platform, gap.relative_orbit, gap.datetime.date()) for gap in gaps)


def _by_level(gaps: Iterable[Gap]) -> dict[str, list[Gap]]:
    """The gaps that a download fills, by its level."""
    found: defaultdict[str, list[Gap]] = defaultdict(list)
    for gap in gaps:
        if gap.level is not None:
            found[gap.level].append(gap)
    return found
