"""The documents of items, finished when they are stored: all that does not depend on who asks, as one text.

pgSTAC stores of an item what it differs in from its collection, as JSONB. To write that out and to put the two together
takes longer than all else in a search. The finished text stands beside it, in the column `private`, which pgSTAC leaves
to applications and never tells anybody: it comes and goes with the row. A row without one, by another loader or from
before, is put together when it is asked for.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

MEMBER = "finished"
"""Under which name the text stands in `private`: another one, if ever its form changes."""

APART = frozenset({"id", "collection", "type", "geometry", "links", "stac_extensions", "pgstac:base_item"})
"""Members that the body lacks: columns of their own, what the service adds to, and a note of pgSTAC's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """What is known of an item's document: `body` is a JSON object of all members but the others.

    `assets` are the names of its assets, None for an item that has no such member.
    """

    links: Sequence[dict[str, Any]]
    extensions: Sequence[str]
    assets: Collection[str] | None
    body: bytes

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> "Finished":
        """What is known of `item`."""
        body = {name: value for name, value in item.items() if name not in APART}
        assets = item.get("assets")
        return cls(
            links=item.get("links", []),
            extensions=item.get("stac_extensions", []),
            assets=None if assets is None else list(assets),
            body=orjson.dumps(body),
        )

    @classmethod
    def read(cls, text: bytes) -> "Finished":
        """What `text` wrote."""
        head, _, body = text.partition(b"\n")
        links, extensions, assets = orjson.loads(head)
        return cls(links=links, extensions=extensions, assets=assets, body=body)

    def text(self) -> str:
        """As it is stored: a line of all but the body, and the body."""
        head = orjson.dumps((self.links, self.extensions, self.assets))
        return (head + b"\n" + self.body).decode()
