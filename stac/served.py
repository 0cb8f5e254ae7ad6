"""Items as the API serves them, from what pgSTAC stores: hydrated, linked and put into JSON.

Most are finished already (`stac.finished`). Of the others pgSTAC stores what they differ in from their collection's
`item_assets`. Putting the two together costs PostgreSQL milliseconds per item, and us a tenth of one: what need not be
looked into stays text. The links that items of a page differ in by nothing but their id are made once and copied as
text, too.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import orjson
from msgspec import Raw

from stac.api_links import Link, add_item_links, shown
from stac.finished import APART, Finished
from stac.hydration import Base, members

type Item = dict[str, Any]
type BaseKey = tuple[str, int | None]
"""A collection, and which of its base items; None: that of items stored before the collection was first changed."""

_TAG = "pgstac:base_item"
_ID = "*the id of an item*"
_ABSOLUTE = ("https://", "http://", "s3://")


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """An item as pgSTAC stores it: `content` without what its collection says, `geometry` as GeoJSON text."""

    id: str
    collection: str
    geometry: str
    content: Mapping[str, Raw]
    base: BaseKey

    @classmethod
    def read(cls, item_id: str, collection: str, geometry: str, content: str | bytes) -> "Row":
        """A row of the database; `content` is JSON, whose members are not parsed."""
        stored = members(content)
        tag = stored.pop(_TAG, None)
        return cls(
            id=item_id,
            collection=collection,
            geometry=geometry,
            content=stored,
            base=(collection, None if tag is None else orjson.loads(bytes(tag))),
        )

    def document(self, bases: Mapping[BaseKey, Base]) -> Finished:
        """What is known of its document, put together with its base item."""
        known = bases[self.base].members(self.content)
        return Finished(
            links=_list(known, "links"),
            extensions=_list(known, "stac_extensions"),
            assets=members(known["assets"]) if "assets" in known else None,
            body=orjson.dumps({name: orjson.Fragment(text) for name, text in known.items() if name not in APART}),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class FinishedRow:
    """An item whose document was finished when it was stored."""

    id: str
    collection: str
    geometry: str
    finished: Finished

    def document(self, _: Mapping[BaseKey, Base]) -> Finished:
        """What is known of its document."""
        return self.finished


class Renderer:
    """Makes items of rows.

    `inferred(collection, id)` are the links that the API itself has of an item, below `base_url`; those to maps and
    series begin with `public_url`. Stored links of the relations `leave` are left out, since they are inferred.
    """

    def __init__(
        self, *, base_url: str, public_url: str, inferred: Callable[[str, str], list[Link]], leave: Sequence[str]
    ) -> None:
        self._base_url, self._public_url = base_url, public_url
        self._inferred, self._leave = inferred, frozenset(leave)
        self._templates: dict[tuple[str, tuple[str, ...] | None], _Template] = {}

    def render(self, rows: Sequence[Row | FinishedRow], bases: Mapping[BaseKey, Base]) -> list[bytes]:
        """The items of `rows` as JSON; `bases` are the base items that they name."""
        return [self._item(row, row.document(bases)) for row in rows]

    def _item(self, row: Row | FinishedRow, known: Finished) -> bytes:
        template = self._template(row.collection, None if known.assets is None else shown(known.assets))
        head = orjson.dumps(
            {
                "type": "Feature",
                "id": row.id,
                "collection": row.collection,
                "geometry": orjson.Fragment(row.geometry),
                "links": template.links(row.id, self._own(known.links)),
                "stac_extensions": template.with_own(known.extensions),
            }
        )
        return head if known.body == b"{}" else b"%b,%b" % (head[:-1], known.body[1:])

    def _own(self, links: Sequence[Link]) -> list[Link]:
        return [
            link if link["href"].startswith(_ABSOLUTE) else {**link, "href": urljoin(self._base_url, link["href"])}
            for link in links
            if link["rel"] not in self._leave
        ]

    def _template(self, collection: str, assets: tuple[str, ...] | None) -> "_Template":
        if (collection, assets) not in self._templates:
            probe: Item = {"id": _ID, "collection": collection, "links": [], "stac_extensions": []}
            if assets is not None:
                probe["assets"] = dict.fromkeys(assets)
            add_item_links(probe, self._public_url)
            self._templates[collection, assets] = _Template(
                before=_listed(self._inferred(collection, _ID)),
                after=_listed(probe["links"]),
                extensions=probe["stac_extensions"],
            )
        return self._templates[collection, assets]


@dataclass(frozen=True, kw_only=True)
class _Template:
    """The links of an item, as JSON without the brackets, and the extensions that they are of."""

    before: bytes
    after: bytes
    extensions: list[str]

    def with_own(self, extensions: Sequence[str]) -> list[str]:
        """The extensions of an item that names some itself."""
        return [*extensions, *(one for one in self.extensions if one not in extensions)]

    def links(self, item_id: str, own: Sequence[Link]) -> list[Any]:
        """The links of item `item_id`, its `own` in the middle."""
        name = orjson.dumps(item_id)[1:-1]
        before, after = (
            [orjson.Fragment(part.replace(_ID.encode(), name))] if part else [] for part in (self.before, self.after)
        )
        return [*before, *own, *after]


def _list(item: Mapping[str, bytes], name: str) -> list[Any]:
    found: list[Any] = orjson.loads(item.get(name, b"[]"))
    return found


def _listed(links: Sequence[Link]) -> bytes:
    return orjson.dumps(links)[1:-1]
