"""Which product of an acquisition counts: the highest baseline; the older ones stay, marked. Pure functions."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

from stac.collections import COLLECTION_IDS, item_href
from stac.naming import Baseline, ProductName
from stac.settings import Settings

type Item = dict[str, Any]
type AcquisitionKey = tuple[str, ...]

_SENSING_START = re.compile(r"_S(\d{8}T\d{6})_N")
_VERSION_RELS = frozenset({"successor-version", "predecessor-version", "latest-version"})


def acquisition_key(item: Mapping[str, Any]) -> AcquisitionKey:
    """What products of one acquisition share: collection, platform, datatake start, tile, start of the datastrip.

    Two datastrips of one datatake complement each other, so that they are two acquisitions. The datastrip's id ends in
    `_S<sensing start>_N<baseline>`. Raises `NameFormatError` for an id that is no product name.
    """
    place, start = acquisition_of(item["id"], item["properties"].get("s2:datastrip_id", ""))
    return item["collection"], *place, start


def acquisition_of(product: str, datastrip: str) -> tuple[AcquisitionKey, str]:
    """Platform, datatake start and tile of a product's acquisition, and the start of its datastrip, "" if unknown."""
    name = ProductName.parse(product)
    return (name.unit, f"{name.datatake_start:%Y%m%dT%H%M%S}", str(name.tile)), datastrip_start(datastrip)


def datastrip_start(datastrip: str) -> str:
    """When sensing began, by the id of a datastrip; "" where that does not tell."""
    start = _SENSING_START.search(datastrip)
    return start[1] if start else ""


def rank(item: Mapping[str, Any]) -> tuple[Baseline, int, str, str]:
    """Order of products of one acquisition: baseline as numbers, then origin, then date of generation, then name.

    Of one baseline ESA's own product is preferred to one made locally, and either to a lossy copy.
    """
    name, properties = ProductName.parse(item["id"]), item["properties"]
    return name.baseline, _trust(properties), properties.get("s2:generation_time", ""), item["id"]


def mark_superseded(items: Iterable[Item], settings: Settings) -> list[Item]:
    """Copies of `items`, which are all products of their acquisitions, with `deprecated` and version links set right.

    The highest of each acquisition carries no `deprecated`; every other is `deprecated: true` and links to its
    successor and to the latest. Marks of an earlier state are removed. Items of collections that are not ours are left
    as they are. What is not changed, such as assets, is shared with the originals.
    """
    ours, others = [], []
    for item in items:
        if item["collection"] in COLLECTION_IDS:
            ours.append(item)
        else:
            others.append({**item, "properties": dict(item["properties"])})
    return others + [
        marked for group in acquisitions(ours) for marked in _mark_group(sorted(group, key=rank), settings)
    ]


def acquisitions(items: Iterable[Item]) -> list[list[Item]]:
    """`items` by acquisition, as `acquisition_key` has it; those that do not say their datastrip join the only one."""
    groups: defaultdict[AcquisitionKey, list[Item]] = defaultdict(list)
    for item in items:
        groups[acquisition_key(item)].append(item)
    return list(_joined(groups).values())


def _trust(properties: Mapping[str, Any]) -> int:
    if properties.get("sen2extract:lossy"):
        return 0
    return 1 if properties.get("sen2extract:origin") == "local" else 2


def _joined(groups: Mapping[AcquisitionKey, list[Item]]) -> dict[AcquisitionKey, list[Item]]:
    """Items that do not say their datastrip join the one that their datatake and tile have, if it is only one."""
    joined = {key: list(group) for key, group in groups.items()}
    for key in [key for key in groups if not key[-1]]:
        others = [other for other in joined if other[:-1] == key[:-1] and other[-1]]
        if len(others) == 1:
            joined[others[0]] += joined.pop(key)
    return joined


def _mark_group(ordered: list[Item], settings: Settings) -> list[Item]:
    marked = [_unmarked(item) for item in ordered]
    for older, newer in pairwise(marked):
        older["properties"]["deprecated"] = True
        older["links"].append(_link("successor-version", newer, settings))
        older["links"].append(_link("latest-version", marked[-1], settings))
        newer["links"].append(_link("predecessor-version", older, settings))
    return marked


def _unmarked(item: Item) -> Item:
    properties = {name: value for name, value in item["properties"].items() if name != "deprecated"}
    links = [link for link in item.get("links", []) if link["rel"] not in _VERSION_RELS]
    return {**item, "properties": properties, "links": links}


def _link(rel: str, item: Item, settings: Settings) -> dict[str, str]:
    href = item_href(settings, item["collection"], item["id"])
    return {"rel": rel, "href": href, "type": "application/geo+json"}
