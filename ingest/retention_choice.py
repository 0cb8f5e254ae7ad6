"""Which products are to go, by the rules of watched areas. Pure.

What counts as a copy: of an L1C product a newer one of its acquisition, or the L2A that is in use; of an L2A product a
newer one only, since indices do not bring its bands back; of an index product a newer one, or the L2A in use, of which
it can be made again. An older, superseded product is no copy of a newer one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from stac.areas_rules import Rule
from stac.collections import BY_LEVEL, INDICES, L1C, L2A
from stac.supersede import acquisitions

_ORDER = (INDICES, L1C, L2A)


@dataclass(frozen=True, kw_only=True)
class Held:
    """A product of the catalogue. `cloud` in per cent; `since` is when it was superseded, None for one in use."""

    collection: str
    id: str
    tile: str
    acquired: datetime
    cloud: float | None
    since: datetime | None
    datastrip: str

    @property
    def key(self) -> str:
        """As the ledger has it."""
        return f"{self.collection}/{self.id}"

    def as_item(self) -> dict[str, Any]:
        """As much of an item as tells acquisitions apart; with itself."""
        return {"id": self.id, "collection": "", "properties": {"s2:datastrip_id": self.datastrip}, "held": self}


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A product that rules let go: whether it does, and why (not)."""

    held: Held
    goes: bool
    reason: str


def choose(held: Iterable[Held], rules: Mapping[str, Sequence[Rule]], now: datetime) -> list[list[Choice]]:
    """The decisions on products of one tile, by acquisition; those that no rule concerns are left out.

    `rules` by the name of their area. A product goes only if every area lets it go.
    """
    groups = acquisitions(one.as_item() for one in held)
    found = [_of_acquisition([item["held"] for item in group], rules, now) for group in groups]
    return [choices for choices in found if choices]


def _of_acquisition(group: Sequence[Held], rules: Mapping[str, Sequence[Rule]], now: datetime) -> list[Choice]:
    concerned = {one: verdict for one in group if (verdict := _verdict(one, rules, now))}
    going = {one for one, (_, unasked) in concerned.items() if unasked}
    for one in sorted(concerned.keys() - going, key=_turn):
        if any(_is_copy(other, one) for other in group if other not in going):
            going.add(one)
    choices = [
        Choice(held=one, goes=one in going, reason=why if one in going else f"the only copy, though {why}")
        for one, (why, _) in concerned.items()
    ]
    return choices + [
        Choice(held=one, goes=True, reason="superseded by a product that goes")
        for one in group
        if one not in going and one.since and any(_heads(other, one) for other in going)
    ]


def _verdict(one: Held, rules: Mapping[str, Sequence[Rule]], now: datetime) -> tuple[str, bool] | None:
    """Why all areas let a product go, and whether they do so even if it is the only copy; None if one keeps it."""
    met = {area: [rule for rule in own if _meets(one, rule, now)] for area, own in rules.items()}
    if not met or not all(met.values()):
        return None
    why = "; ".join(f"{own[0]} ({area})" for area, own in met.items())
    return why, all(any(rule.only_copy for rule in own) for own in met.values())


def _meets(one: Held, rule: Rule, now: datetime) -> bool:
    return (
        BY_LEVEL[rule.level] == one.collection
        and (rule.age is None or (now - one.acquired).days >= rule.age)
        and (rule.cloud is None or (one.cloud is not None and one.cloud > rule.cloud))
        and (rule.superseded is None or (one.since is not None and (now - one.since).days >= rule.superseded))
    )


def _is_copy(other: Held, one: Held) -> bool:
    """Whether `one` may go because of `other`, which stays."""
    if other.since is not None:
        return False
    same = other.collection == one.collection and one.since is not None
    return same or (other.collection == L2A and one.collection in (L1C, INDICES))


def _heads(other: Held, one: Held) -> bool:
    return other.collection == one.collection and other.since is None


def _turn(one: Held) -> tuple[bool, int, str]:
    return one.since is None, _ORDER.index(one.collection), one.id
