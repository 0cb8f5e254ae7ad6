"""What only CDSE's OData catalogue knows: checksums of whole products, and which have been withdrawn.

Source: https://documentation.dataspace.copernicus.eu/APIs/OData.html
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from shapely import from_geojson, to_wkt
from shapely.errors import ShapelyError

from ingest.sources.base import File
from ingest.sources.checksums import Checksum
from ingest.sources.errors import PassingError, RefusedError, WithdrawnError
from ingest.sources.query import Query
from ingest.sources.web import Web

_PAGE = 1000
_PAGES = 50
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """The OData catalogue; searching needs no account."""

    web: Web
    url: str

    def whole(self, name: str, download_url: str) -> File:
        """A product as one zip, with its checksums. A range of it cannot be had. Raises `WithdrawnError`."""
        record = next(self._ask("Products", f"Name eq '{name}.SAFE'"), None)
        if record is None:
            raise WithdrawnError(self.why(name) or f"cdse: {name} is not in the catalogue")
        if not record.get("Online", True):
            raise PassingError(f"cdse: {name} is offline: the provider has to fetch it from its archive first")
        checksums = (
            Checksum.named(str(one.get("Algorithm")), str(one.get("Value")))
            for one in record.get("Checksum") or ()
            if isinstance(one, dict)
        )
        known = tuple(one for one in checksums if one is not None)
        if not known:
            raise RefusedError(f"cdse: {name} has no checksum: it could not be told from a damaged one")
        size = record.get("ContentLength")
        return File(
            path=f"{name}.zip",
            href=f"{download_url}/Products({uuid(str(record.get('Id')))})/$value",
            size=size if isinstance(size, int) and size > 0 else None,
            checksums=known,
            resumable=False,
        )

    def why(self, name: str) -> str | None:
        """Why a product was withdrawn; None if it was not."""
        found = next(self._ask("DeletedProducts", f"Name eq '{name}.SAFE'"), None)
        return f"cdse: {name} was withdrawn: {_cause(found)}" if found is not None else None

    def withdrawn(self, query: Query) -> dict[str, str]:
        """Names of withdrawn products that lie in the query's place and period, with the provider's cause."""
        return {
            name: _cause(record)
            for place in _places(query)
            for record in self._ask("DeletedProducts", f"{_period(query)} and {place}")
            if (name := str(record.get("Name")).removesuffix(".SAFE"))
        }

    def _ask(self, entity: str, condition: str) -> Iterator[dict[str, Any]]:
        url = f"{self.url}/{entity}"
        for page in range(_PAGES):
            params: dict[str, str | int] = {"$filter": condition, "$top": _PAGE, "$skip": page * _PAGE}
            answer = self.web.json("GET", url, params=params)
            records = answer.get("value") if isinstance(answer, dict) else None
            if not isinstance(records, list):
                raise PassingError(f"cdse: {url} answered without a value")
            yield from (record for record in records if isinstance(record, dict))
            if len(records) < _PAGE:
                return
        raise RefusedError(f"cdse: {url} has more than {_PAGE * _PAGES} records for {condition}: ask for less at once")


def uuid(text: str) -> str:
    """A product's id, of which an address is made; raises `RefusedError` for anything else."""
    if not _UUID.fullmatch(text):
        raise RefusedError(f"cdse: {text!r} is no product id")
    return text


def _cause(record: dict[str, Any]) -> str:
    return str(record.get("DeletionCause") or "no cause given")[:200]


def _period(query: Query) -> str:
    begin, end = (f"{when:%Y-%m-%dT%H:%M:%S.000Z}" for when in (query.start, query.end))
    return (
        f"Collection/Name eq 'SENTINEL-2' and contains(Name,'MSI{query.level}') "
        f"and ContentDate/Start ge {begin} and ContentDate/Start lt {end}"
    )


def _places(query: Query) -> list[str]:
    if query.tiles:
        return [f"contains(Name,'_T{tile}_')" for tile in query.tiles]
    return [f"OData.CSC.Intersects(area=geography'SRID=4326;{_wkt(query)}')"]


def _wkt(query: Query) -> str:
    try:
        return str(to_wkt(from_geojson(json.dumps(query.area)), rounding_precision=6))
    except ShapelyError as error:
        raise RefusedError(f"the area is no GeoJSON geometry: {error}") from error
