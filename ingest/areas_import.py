"""Sen2Chain's lists of tiles as watched areas: `job_<id>.cfg` and `tiles_to_watch.csv`. Pure.

A job is a table of one line per tile, with `;` between the columns, below a header of `key = value` lines. Every column
becomes a field; notes tell what is not as it was, and what else there was is kept in the comment.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from stac.areas import Area, checked
from stac.areas_rules import Rule
from stac.errors import StacError, UnknownNameError
from stac.indices import INDICES, get_index
from stac.masks import PROFILES

_NAMES = {
    "start_time": "date_min", "start": "date_min", "end_time": "date_max", "end": "date_max",
    "max_cloud": "max_clouds", "max_cloud_cover": "max_clouds", "comment": "comments", "ignore": "disabled",
}  # fmt: skip
_COLUMNS = {
    "tile", "date_min", "date_max", "max_clouds", "provider", "filter_max_pb", "download", "compute_l2a", "cloudmasks",
    "indices", "remove", "comments", "disabled",
}  # fmt: skip
_CLOUDMASK = re.compile(r"cm00[1-4]|ocm")
_REMOVAL = re.compile(r"(?P<level>l1c|l2a)(-(?P<which>new|all))?(-cc(?P<cloud>\d{1,3}))?")
_HEADER = {
    "timing": "the schedules of the DAGs, in UTC",
    "tries": "`retries` of the tasks, in dags/catalogue.py; what failed is taken up by the next run",
    "sleep": "`retry_delay` of the tasks, in dags/catalogue.py, growing with each try",
    "nb_proc": "AIRFLOW_PARALLELISM, and --jobs of the command",
    "logs": "the log of each task in Airflow, and `sen2extract status`",
    "copy_l2a_sideproducts": "nothing: scene classes and cloud probability are part of MASK",
    "clean_before": "sen2extract reconcile --fix",
    "clean_after": "sen2extract reconcile --fix",
    "process_by_line": "nothing: each product is a task of its own",
}
"""What is in the place of a job's header."""

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


def read_header(text: str) -> list[str]:
    """The `key = value` lines above a job's table, each with what is in its place now."""
    told = []
    for line in text.lstrip("\ufeff").splitlines():
        key, given, value = (part.strip() for part in line.partition("="))
        if given and key.lower() in _HEADER and ";" not in key:
            told.append(f"{key} = {value}: now {_HEADER[key.lower()]}")
    return told


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
    values: dict[str, Any] = {
        "comment": _comment(cells, notes),
        "levels": _levels(cells, notes),
        "masks": _masks(cells.get("cloudmasks", ""), notes),
        "indices": _indices(cells.get("indices", ""), notes),
        "retention": _retention(cells.get("remove", ""), notes),
    }
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


def _masks(cell: str, notes: list[str]) -> list[str]:
    """`CM001/CM004-CSH1-…` or `All`; parameters are ours, which a request cannot change either."""
    if cell.lower() in ("all", "true"):
        return [name for name in PROFILES if _CLOUDMASK.fullmatch(name) and name != "ocm"]
    found = []
    for part in _parts(cell):
        match = _CLOUDMASK.match(part.lower())
        if match is None:
            notes.append(f"cloudmasks: {part} is no mask of ours")
            continue
        profile = PROFILES[match[0]]
        found.append(profile.name)
        if part.upper() not in (profile.name.upper(), profile.title) and profile.name != "ocm":
            notes.append(f"cloudmasks: {part} becomes {profile.title}")
    return list(dict.fromkeys(found))


def _indices(cell: str, notes: list[str]) -> list[str]:
    """`NDVI/NDWIGAO` or `All`, which are twelve."""
    if cell.lower() in ("all", "true"):
        return list(INDICES)
    found = []
    for part in _parts(cell):
        try:
            found.append(get_index(part).name)
        except UnknownNameError as error:
            notes.append(f"indices: {error}")
    return list(dict.fromkeys(found))


def _retention(cell: str, notes: list[str]) -> list[dict[str, Any]] | None:
    """`l1c-new-cc80/l2a-all`: of a level what came with this run or all, cloudier than so many per cent or all.

    Rules hold for all products of an area, so that new and all are one.
    """
    rules = []
    for part in _parts(cell):
        match = _REMOVAL.fullmatch(part.lower())
        if match is None:
            notes.append(f"remove: {part} is not understood, nothing is removed by it")
            continue
        cloud = match["cloud"]
        rule = Rule.model_validate({"level": match["level"], "cloud": cloud, "age": None if cloud else 0})
        rules.append(rule.model_dump())
        notes.append(f"remove: {part} becomes {rule}; the only copy of an acquisition stays unless you add only_copy")
    return rules or None


def _parts(cell: str) -> list[str]:
    return [] if cell.lower() in _NO else [part.strip() for part in cell.split("/") if part.strip()]


def _comment(cells: Mapping[str, str], notes: list[str]) -> str:
    """The comment, followed by columns that no version of Sen2Chain had."""
    kept = [f"{name}={cell}" for name, cell in cells.items() if name not in _COLUMNS and cell]
    if kept:
        notes.append(f"only kept in the comment: {', '.join(kept)}")
    return "; ".join(part for part in (cells.get("comments", ""), *kept) if part)
