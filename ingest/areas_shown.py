"""How watched areas look in a list."""

from collections.abc import Iterable

from stac.areas import Area
from stac.areas_rules import show_rules


def facts(area: Area) -> list[str]:
    """Name, state, place, days, clouds, provider, levels, comment, what is made, what is removed."""
    place = " ".join([*area.tiles, *([area.geometry["type"]] if area.geometry else [])])
    state = area.state if area.state == "requested" else "enabled" if area.enabled else "disabled"
    cloud = "" if area.max_cloud is None else f"{area.max_cloud:g} %"
    days = f"{area.first_day}..{area.last_day}"
    wanted = [area.name, state, place, days, cloud, area.provider, " ".join(area.levels), area.comment]
    return [*wanted, _made(area), "" if area.retention is None else show_rules(area.retention)]


def print_table(found: Iterable[Area]) -> None:
    """Print areas for people."""
    from rich.console import Console  # noqa: PLC0415 - what is read by machines need not wait for it
    from rich.table import Table  # noqa: PLC0415

    table = Table("name", "state", "place", "days", "cloud", "provider", "levels", "comment", "made", "removed")
    for area in found:
        table.add_row(*facts(area))
    Console(markup=False).print(table)


def _made(area: Area) -> str:
    """What of an area is not the archive's own choice: orbits, baselines, indices, masks."""
    orbits = [f"R{orbit:03d}" for orbit in area.orbits]
    return " ".join([*orbits, *([area.baseline] if area.baseline else []), *area.indices, *area.masks])
