"""Earth Search: the same acquisitions as Cloud-Optimized GeoTIFFs, open to all, without an account.

A product is a folder with the images that ingestion reads and the item's JSON, whose hrefs lead to them.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, urlsplit

from ingest.products.earth_search_item import IMAGES
from ingest.sources.base import File, Offer, Progress
from ingest.sources.checksums import Checksum
from ingest.sources.download import Draft, place
from ingest.sources.errors import RefusedError
from ingest.sources.manifest import inside
from ingest.sources.query import Query
from ingest.sources.settings import SourceSettings
from ingest.sources.stac_search import Item, item, period, search
from ingest.sources.web import Policy, Web
from stac.errors import NameFormatError
from stac.naming import ProductName
from stac.supersede import datastrip_start

_DOCUMENTS = ("granule_metadata",)


class EarthSearch:
    """Earth Search v1; level 2A only: it has no images of level 1C that are open to all."""

    name = "earth-search"

    def __init__(self, settings: SourceSettings, policy: Policy | None = None) -> None:
        self.settings = settings
        policy = policy or Policy(patience=settings.source_patience)
        self._web = Web(self.name, connections=settings.earth_search_connections, policy=policy)

    def search(self, query: Query) -> Iterator[Offer]:
        """Items of its collection."""
        if query.level != "L2A":
            raise RefusedError("earth-search has level 2A only: take L1C from cdse")
        for found in search(self._web, self.settings.earth_search_url, self._search_body(query)):
            offer = self._offer(found)
            if offer is not None and query.accepts(offer):
                yield offer

    def download(self, offer: Offer, folder: Path, progress: Progress) -> Path:
        """Fetch the images into `{name}.earth-search/`; returns the item's JSON in it."""
        final = place(folder, f"{offer.name}.{self.name}")
        document = f"{offer.name}.json"
        if final.exists():
            return final / document
        with Draft(final, self._web, progress, self.settings.keep_free_gb) as draft:
            found = item(self._web, self.settings.earth_search_url, offer.href)
            files = self._files(found)
            draft.fetch(files.values())
            (draft.folder / document).write_text(json.dumps(_at_home(found, files)))
            return draft.finish() / document

    def withdrawn(self, query: Query) -> Mapping[str, str]:
        """It does not tell."""
        del query
        return {}

    def close(self) -> None:
        """Let go of the connections."""
        self._web.close()

    def _search_body(self, query: Query) -> dict[str, Any]:
        body: dict[str, Any] = {"collections": [self.settings.earth_search_collection], "datetime": period(query)}
        wanted: dict[str, Any] = {}
        if query.tiles:
            wanted["grid:code"] = {"in": [f"MGRS-{tile}" for tile in query.tiles]}
        if query.max_cloud is not None:
            wanted["eo:cloud_cover"] = {"lte": query.max_cloud}
        if wanted:
            body["query"] = wanted
        if query.area is not None:
            body["intersects"] = query.area
        return body

    def _offer(self, found: Item) -> Offer | None:
        """What an item offers; None if it does not say of which product it was made."""
        properties = found["properties"]
        try:
            name = ProductName.parse(str(properties.get("s2:product_uri")))
        except NameFormatError:
            return None
        cover = properties.get("eo:cloud_cover")
        sizes = [asset.get("file:size") for key, asset in found["assets"].items() if key in IMAGES]
        known = [size for size in sizes if isinstance(size, int)]
        collection = self.settings.earth_search_collection
        return Offer(
            source=self.name,
            name=str(name),
            acquired=name.datatake_start,
            href=f"{self.settings.earth_search_url}/collections/{collection}/items/{quote(found['id'])}",
            cloud_cover=float(cover) if isinstance(cover, int | float) else None,
            size=sum(known) if known and len(known) == len(sizes) else None,
            datastrip_start=datastrip_start(str(properties.get("s2:datastrip_id"))) or None,
        )

    def _files(self, found: Item) -> dict[str, File]:
        """The files to fetch, by asset: images that ingestion knows, and the granule's metadata."""
        files = {}
        for key, asset in found["assets"].items():
            if key in IMAGES or key in _DOCUMENTS:
                href = self._allowed(asset.get("href"), key, found)
                name = inside(PurePosixPath(urlsplit(href).path).name, f"{found['id']}: {key}")
                size = asset.get("file:size")
                checksum = Checksum.multihash(str(asset.get("file:checksum") or ""))
                files[key] = File(
                    path=name,
                    href=href,
                    size=size if isinstance(size, int) else None,
                    checksums=(checksum,) if checksum else (),
                    optional=key in _DOCUMENTS,
                )
        if len({file.path for file in files.values()}) < len(files):
            raise RefusedError(f"earth-search: {found['id']} names two files alike")
        return files

    def _allowed(self, href: Any, key: str, found: Item) -> str:
        """An address over HTTPS, or at the catalogue's own place; others may lead into our network."""
        home, parts = urlsplit(self.settings.earth_search_url), urlsplit(href if isinstance(href, str) else "")
        if parts.scheme == "https" or (parts.scheme, parts.netloc) == (home.scheme, home.netloc):
            return str(href)
        raise RefusedError(f"earth-search: {found['id']}: {key} is at {href!r}, which is not https: refused")


def _at_home(found: Item, files: Mapping[str, File]) -> Item:
    """The item with the images beside it; what was not fetched is left out."""
    assets = {key: {**found["assets"][key], "href": file.path} for key, file in files.items()}
    return {**found, "assets": assets}
