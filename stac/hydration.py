"""Items put together from what their collection says and what they differ in, as JSON, without parsing all of it.

The rules are those of pgSTAC and of `hydraters`: what an item lacks is its collection's, objects are put together
member by member, a member that holds the marker is left out, and what is of another kind is the item's. Most of an item
are objects, its assets, of which the collection and the item know different members: these two texts are joined, and
neither is parsed any further.
"""

from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import Any

import orjson
from hydraters import DO_NOT_MERGE_MARKER, hydrate
from msgspec import Raw
from msgspec.json import Decoder

_MARKER = DO_NOT_MERGE_MARKER.encode()
_LEFT_OUT = b'"%b"' % _MARKER
_MEMBERS = Decoder(dict[str, Raw])


class Base:
    """What the items of a collection share of an object; `value` has no members that are None."""

    def __init__(self, value: Mapping[str, Any]) -> None:
        self._value = value
        self._names = frozenset(value)

    def fill(self, stored: bytes) -> bytes:
        """The object whose differences are `stored`, both as JSON. Raises `msgspec.DecodeError` for what is none."""
        own = _MEMBERS.decode(stored)
        if own and self._names and self._names.isdisjoint(own) and _MARKER not in stored:
            return self._opening + stored[1:]
        return _object(self.members(own))

    def members(self, own: Mapping[str, Raw]) -> dict[str, bytes]:
        """The members of an object of which an item has its `own`."""
        found = {}
        for name, raw in own.items():
            text = bytes(raw)
            under = self._under.get(name)
            if under is not None and text.startswith(b"{"):
                found[name] = under.fill(text)
            elif text != _LEFT_OUT:
                found[name] = self._other(name, text)
        return found | {name: text for name, text in self._texts.items() if name not in own}

    def _other(self, name: str, stored: bytes) -> bytes:
        if _MARKER in stored or name in self._lists:
            return _hydrated(self._value.get(name), stored)
        return stored

    @cached_property
    def _lists(self) -> frozenset[str]:
        return frozenset(name for name, value in self._value.items() if isinstance(value, list))

    @cached_property
    def _under(self) -> dict[str, "Base"]:
        return {name: Base(value) for name, value in self._value.items() if isinstance(value, dict)}

    @cached_property
    def _texts(self) -> dict[str, bytes]:
        return {name: orjson.dumps(value) for name, value in self._value.items()}

    @cached_property
    def _opening(self) -> bytes:
        return orjson.dumps(self._value)[:-1] + b","


@lru_cache(maxsize=64)
def base(text: str) -> Base:
    """What a base item of pgSTAC, as JSON, says; the work of reading it is done once."""
    return Base({name: value for name, value in orjson.loads(text).items() if value is not None})


def members(stored: str | bytes) -> dict[str, Raw]:
    """The members of a JSON object, not parsed. Raises `msgspec.DecodeError` for what is none."""
    return _MEMBERS.decode(stored)


def _hydrated(base: Any, stored: bytes) -> bytes:
    """Any other value: parsed, and left to `hydraters`, which refuses what is of another kind than in the base."""
    try:
        whole = hydrate({"value": base}, {"value": orjson.loads(stored)})["value"]
    except ValueError:
        whole = orjson.loads(stored)
    return orjson.dumps(_unmarked(whole))


def _unmarked(value: Any) -> Any:
    """`value` without markers that nothing in the base answers to, which `hydraters` leaves behind."""
    if isinstance(value, dict):
        return {name: _unmarked(each) for name, each in value.items() if each != DO_NOT_MERGE_MARKER}
    if isinstance(value, list):
        return [_unmarked(each) for each in value]
    return value


def _object(members: Mapping[str, bytes]) -> bytes:
    return orjson.dumps({name: orjson.Fragment(text) for name, text in members.items()})
