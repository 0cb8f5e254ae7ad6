"""Where products come from: discovery and download, one protocol for all providers.

To add one: a module with a class that satisfies `Source`, and its line in `_SOURCES`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ingest.sources.base import File, Offer, Progress, Quiet, Source
from ingest.sources.cdse import Cdse
from ingest.sources.earth_search import EarthSearch
from ingest.sources.query import Query
from ingest.sources.settings import SourceSettings

__all__ = ["SOURCES", "File", "Offer", "Progress", "Query", "Quiet", "Source", "SourceSettings", "open_source"]

_SOURCES: dict[str, Callable[[SourceSettings], Source]] = {Cdse.name: Cdse, EarthSearch.name: EarthSearch}

SOURCES = tuple(_SOURCES)
"""Names of the providers."""


@contextmanager
def open_source(name: str, settings: SourceSettings) -> Iterator[Source]:
    """The provider of that name while the block lasts; raises `KeyError`."""
    source = _SOURCES[name](settings)
    try:
        yield source
    finally:
        source.close()
