"""The Copernicus Data Space Ecosystem: ESA's own products, SAFE folders, found by STAC and fetched file by file.

Over S3 with a key, else over HTTPS with an account; both resume within a file. The whole product as a zip, which
cannot be resumed, is to be had on request.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from minio import Minio

from ingest.sources.base import File, Offer, Progress
from ingest.sources.cdse_odata import Catalogue, uuid
from ingest.sources.checksums import Checksum
from ingest.sources.download import Draft, place
from ingest.sources.errors import CredentialsError, RefusedError, WithdrawnError
from ingest.sources.manifest import MANIFEST, read_manifest
from ingest.sources.query import Query
from ingest.sources.settings import Access, SourceSettings
from ingest.sources.stac_search import Item, item, period, search
from ingest.sources.tokens import Tokens
from ingest.sources.web import Policy, Web
from stac.errors import NameFormatError
from stac.naming import ProductName

_COLLECTIONS = {"L1C": "sentinel-2-l1c", "L2A": "sentinel-2-l2a"}
# Its id tells when a datastrip begins; so do its folder and that of the granule.
_DATASTRIP = re.compile(r"(?:_DS_\w+_S|/DATASTRIP/DS_[^/]*_S|/GRANULE/L(?:1C|2A)_T\w{5}_A\d{6}_)(\d{8}T\d{6})[/_]")
_PRODUCT_ID = re.compile(r"/Products\(([0-9a-fA-F-]{36})\)")
_PREFIX = re.compile(r"[A-Za-z0-9_./-]+")
_SIGNED_FOR = timedelta(hours=1)
_REGION = "default"


class Cdse:
    """The Copernicus Data Space Ecosystem."""

    name = "cdse"

    def __init__(self, settings: SourceSettings, policy: Policy | None = None) -> None:
        self.settings = settings
        policy = policy or Policy(patience=settings.source_patience)
        self._web = Web(self.name, connections=settings.cdse_connections, policy=policy)
        self._catalogue = Catalogue(web=self._web, url=settings.cdse_catalogue_url)
        self._tokens = Tokens(self._web, settings.cdse_token_url, settings.cdse_user, settings.cdse_password)
        self._files = Web(
            self.name,
            connections=settings.cdse_connections,
            policy=policy,
            resolve=self._resolve,
            renew=self._tokens.expire,
        )

    def search(self, query: Query) -> Iterator[Offer]:
        """Products of the STAC API."""
        for found in search(self._web, self.settings.cdse_stac_url, _search_body(query)):
            offer = self._offer(found, query.level)
            if offer is not None and query.accepts(offer):
                yield offer

    def download(self, offer: Offer, folder: Path, progress: Progress) -> Path:
        """Fetch a product: `{name}.SAFE`, or `{name}.zip`."""
        access = self._access()
        suffix = ".zip" if access == "zip" else ".SAFE"
        final = place(folder, f"{offer.name}{suffix}")
        if final.exists():
            return final
        with Draft(final, self._files, progress, self.settings.keep_free_gb) as draft:
            if access == "zip":
                draft.fetch([self._catalogue.whole(offer.name, self.settings.cdse_download_url)])
                return draft.finish(member=final.name)
            self._fetch_safe(draft, offer, access)
            return draft.finish()

    def withdrawn(self, query: Query) -> Mapping[str, str]:
        """What the OData catalogue lists as deleted."""
        return self._catalogue.withdrawn(query)

    def close(self) -> None:
        """Let go of the connections."""
        self._web.close()
        self._files.close()

    def _fetch_safe(self, draft: Draft, offer: Offer, access: Access) -> None:
        found = self._item(offer)
        locate = self._in_bucket(found, offer) if access == "s3" else self._in_nodes(found, offer)
        try:
            draft.fetch([_manifest(found, locate(MANIFEST))])
            files = read_manifest(draft.folder / MANIFEST)
            draft.fetch([replace(file, href=locate(file.path)) for file in files])
        except WithdrawnError as error:
            raise WithdrawnError(self._catalogue.why(offer.name) or str(error)) from error

    def _item(self, offer: Offer) -> Item:
        """The product's record as it is now: it may have been taken back since it was found."""
        try:
            return item(self._web, self.settings.cdse_stac_url, offer.href)
        except WithdrawnError as error:
            raise WithdrawnError(self._catalogue.why(offer.name) or str(error)) from error

    def _offer(self, found: Item, level: str) -> Offer | None:
        """What an item offers; None if it is no product under a compact name."""
        try:
            name = ProductName.parse(found["id"])
        except NameFormatError:
            return None
        cover = found["properties"].get("eo:cloud_cover")
        size = found["assets"].get("Product", {}).get("file:size")
        places = (f"{found['properties'].get('eopf:datastrip_id')}", *_hrefs(found))
        datastrip = next((match[1] for text in places if (match := _DATASTRIP.search(text))), None)
        return Offer(
            source=self.name,
            name=str(name),
            acquired=name.datatake_start,
            href=f"{self.settings.cdse_stac_url}/collections/{_COLLECTIONS[level]}/items/{quote(found['id'])}",
            cloud_cover=float(cover) if isinstance(cover, int | float) else None,
            size=size if isinstance(size, int) else None,
            datastrip_start=datastrip,
        )

    def _access(self) -> Access:
        """How to fetch; raises `CredentialsError`, naming the settings, where what it needs is not there."""
        wanted = self.settings.cdse_access
        by_key = bool(self.settings.cdse_s3_key and self.settings.cdse_s3_secret.get_secret_value())
        by_account = bool(self.settings.cdse_user and self.settings.cdse_password.get_secret_value())
        if wanted == "auto":
            wanted = "s3" if by_key else "https"
        if not (by_key if wanted == "s3" else by_account):
            raise CredentialsError(
                "cdse: downloads need INGEST_CDSE_S3_KEY and INGEST_CDSE_S3_SECRET, made at "
                "https://eodata-s3keysmanager.dataspace.copernicus.eu, or INGEST_CDSE_USER and INGEST_CDSE_PASSWORD"
            )
        return wanted

    def _in_bucket(self, found: Item, offer: Offer) -> Callable[[str], str]:
        """Where in the bucket a file of the product is, by its path; from whichever asset names the folder."""
        head, tail = f"s3://{self.settings.cdse_s3_bucket}/", f"/{offer.name}.SAFE/"
        for href in _hrefs(found):
            before, cut, _ = href.partition(tail)
            if cut and before.startswith(head) and _PREFIX.fullmatch(before.removeprefix(head)) and ".." not in before:
                return lambda path: f"{before}{tail}{path}"
        raise RefusedError(f"cdse: the record of {offer.name} names no folder in {head}")

    def _in_nodes(self, found: Item, offer: Offer) -> Callable[[str], str]:
        """Where at the download service a file of the product is, by its path: `Nodes(a)/Nodes(b)/$value`."""
        match = next((match for href in _hrefs(found) if (match := _PRODUCT_ID.search(href))), None)
        if match is None:
            raise RefusedError(f"cdse: the record of {offer.name} names no product id")
        root = f"{self.settings.cdse_download_url}/Products({uuid(match[1])})"

        def locate(path: str) -> str:
            nodes = (f"Nodes({quote(part)})" for part in (f"{offer.name}.SAFE", *path.split("/")))
            return "/".join((root, *nodes, "$value"))

        return locate

    @cached_property
    def _s3(self) -> Minio:
        endpoint = urlsplit(self.settings.cdse_s3_endpoint)
        return Minio(
            endpoint.netloc,
            access_key=self.settings.cdse_s3_key,
            secret_key=self.settings.cdse_s3_secret.get_secret_value(),
            secure=endpoint.scheme == "https",
            region=_REGION,
        )

    def _resolve(self, href: str) -> tuple[str, dict[str, str]]:
        """An S3 address signed for an hour, or the account's token for an address of the download service."""
        if not href.startswith("s3://"):
            return href, {"Authorization": f"Bearer {self._tokens.current()}"}
        bucket, _, key = href.removeprefix("s3://").partition("/")
        return self._s3.presigned_get_object(bucket, key, expires=_SIGNED_FOR), {}


def _search_body(query: Query) -> dict[str, Any]:
    conditions: list[dict[str, Any]] = []
    if query.tiles:
        tiles = [f"MGRS-{tile}" for tile in query.tiles]
        conditions.append({"op": "in", "args": [{"property": "grid:code"}, tiles]})
    if query.max_cloud is not None:
        conditions.append({"op": "<=", "args": [{"property": "eo:cloud_cover"}, query.max_cloud]})
    body: dict[str, Any] = {"collections": [_COLLECTIONS[query.level]], "datetime": period(query)}
    if conditions:
        wanted = {"op": "and", "args": conditions} if len(conditions) > 1 else conditions[0]
        body |= {"filter-lang": "cql2-json", "filter": wanted}
    if query.area is not None:
        body["intersects"] = query.area
    return body


def _hrefs(found: Item) -> Iterator[str]:
    """All addresses of an item's assets, the alternate ones among them."""
    for asset in found["assets"].values():
        alternate = asset.get("alternate")
        others = alternate.values() if isinstance(alternate, dict) else ()
        for one in (asset, *(other for other in others if isinstance(other, dict))):
            if isinstance(href := one.get("href"), str):
                yield href


def _manifest(found: Item, href: str) -> File:
    """The product's list of files, with the checksum that the record has of it."""
    record = found["assets"].get("safe_manifest", {})
    checksum = Checksum.multihash(str(record.get("file:checksum") or ""))
    size = record.get("file:size")
    return File(
        path=MANIFEST,
        href=href,
        size=size if isinstance(size, int) else None,
        checksums=(checksum,) if checksum else (),
    )
