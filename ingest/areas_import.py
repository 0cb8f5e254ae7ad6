"""Sen2Chain's lists of tiles as watched areas: `job_<id>.cfg` and `tiles_to_watch.csv`. Pure.

A job is a table of one line per tile, with `;` between the columns, below a header of `key = value` lines. What areas
have no field for (masks, indices, removal) is kept in the comment, and told.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from stac.areas import Area, checked
from stac.errors import StacError

_NAMES = {
    "start_time": "date_min", "start": "date_min", "end_time": "date_max", "end": "date_max",
    "max_cloud": "max_clouds", "max_cloud_cover": "max_clouds", "comment": "comments", "ignore": "disabled",
}  # fmt: skip
_COLUMNS = {
    "tile", "date_min", "date_max", "max_clouds", "provider", "filter_max_pb", "download", "compute_l2a", "cloudmasks",
    "indices", "remove", "comments", "disabled",
}  # fmt: skip
_KEPT = ("cloudmasks", "indices", "remove")
_PROVIDERS = {"": "cdse", "cop_dataspace": "cdse", "cdse": "cdse", "earth-search": "earth-search"}
_NO = {"", "0", "false", "no", "none", "-"}
_LARGEST_CLOUD = 100.0


@dataclass(frozen=True)
class Line:
    """What becomes of a line: an area, or why there is none; notes say what is not as it was."""

    number: int
    text: str
    area: Area | None = None
    reason: str = ""
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        area = self.area.model_dump() if self.area else None
        return {"line": self.number, "area": area, "reason": self.reason or None, "notes": self.notes}


def read_lines(text: str, prefix: str) -> list[Line]:
    """The lines of a list below its header; areas are called `<prefix>-<tile>`, and told apart by a number.

    Raises `ValueError` for a file without a header that names the column `tile`.
    """
    columns: list[str] = []
    separator, seen, found = ";", dict[str, int](), []
    for number, raw in enumerate(text.lstrip("\ufeff").splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if not columns:
            separator = ";" if ";" in line else ","
            names = [part.strip().lower() for part in line.split(separator)]
            columns = [_NAMES.get(name, name) for name in names] if "tile" in names else []
            continue
        found.append(_read(number, line, dict(_cells(line, separator, columns)), prefix, seen))
    if not columns:
        raise ValueError("this is no list of Sen2Chain: no line names the columns, of which one is `tile`")
    return found


def _cells(line: str, separator: str, columns: list[str]) -> Iterator[tuple[str, str]]:
    """The cells by column; separators in the last one, the comment, are part of it."""
    for column, cell in zip(columns, line.split(separator, len(columns) - 1), strict=False):
        yield column, cell.strip()


def _read(number: int, line: str, cells: Mapping[str, str], prefix: str, seen: dict[str, int]) -> Line:
    notes: list[str] = []
    try:
        tile = cells.get("tile", "").lstrip("! ").upper()
        seen[tile] = seen.get(tile, 0) + 1
        name = f"{prefix}-{tile}" + (f"-{seen[tile]}" if seen[tile] > 1 else "")
        area = checked({"name": name, "tiles": [tile], **_fields(cells, notes)})
    except (StacError, ValueError) as error:
        return Line(number, line, reason=str(error))
    return Line(number, line, area=area, notes=notes)


def _fields(cells: Mapping[str, str], notes: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {"comment": _comment(cells, notes), "levels": _levels(cells, notes)}
    for column, name in (("date_min", "first_day"), ("date_max", "last_day")):
        if day := cells.get(column):
            values[name] = day.replace("/", "-")
    if cloud := cells.get("max_clouds"):
        percent = float(cloud)
        values["max_cloud"] = None if percent == _LARGEST_CLOUD else percent
    given = cells.get("provider", "").lower()
    values["provider"] = _PROVIDERS.get(given, "cdse")
    if given not in _PROVIDERS:
        notes.append(f"provider {given} is not ours: cdse instead")
    values["newest_only"] = cells.get("filter_max_pb", "true").lower() not in _NO
    off = cells.get("tile", "").startswith("!") or cells.get("disabled", "").lower() not in _NO
    fetched = cells.get("download", "true").lower() not in _NO
    if not fetched:
        notes.append("download is off: disabled")
    values["enabled"] = fetched and not off
    return values


def _levels(cells: Mapping[str, str], notes: list[str]) -> list[str]:
    """`download` names levels (`l1c/l2a`) or is a yes; with `compute_l2a` its outcome is L2A, for which we ask."""
    named = re.findall(r"l1c|l2a", cells.get("download", "").lower())
    computed = cells.get("compute_l2a", "").lower() not in _NO
    if computed and named != ["l2a"]:
        notes.append("compute_l2a: the provider's L2A is fetched instead of the L1C")
        return ["l2a"]
    return sorted(set(named)) or ["l2a"]


def _comment(cells: Mapping[str, str], notes: list[str]) -> str:
    """The comment, followed by what areas have no field for."""
    kept = [f"{name}={cells[name]}" for name in _KEPT if cells.get(name, "").lower() not in _NO]
    kept += [f"{name}={cell}" for name, cell in cells.items() if name not in _COLUMNS and cell]
    if kept:
        notes.append(f"only kept in the comment: {', '.join(kept)}")
    return "; ".join(part for part in (cells.get("comments", ""), *kept) if part)
