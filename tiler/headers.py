"""What goes with a series beside its content: headers, and links to its other forms."""

import re
from collections.abc import Mapping
from typing import Any

from fastapi import Request
from starlette.datastructures import URL

from tiler.series.engine import Plan
from tiler.series.formats import FORMATS, Format, file_name
from tiler.series.interval import format_instant
from tiler.series.resolution import FINEST
from tiler.series.rows import Series
from tiler.settings import TilerSettings


def described(plan: Plan, wanted: Format, tag: str, tiler: TilerSettings) -> dict[str, str]:
    """What is known of an answer before anything is read."""
    asked = plan.request
    headers = {
        "ETag": tag,
        "Cache-Control": f"public, max-age={tiler.cache_seconds}",
        "Vary": "Accept",
    }
    if wanted.name != "json":
        headers["Content-Disposition"] = f'attachment; filename="{file_name(asked, wanted.name)}"'
    if asked.resolution != FINEST:
        headers["X-Resolution"] = str(asked.resolution)
    if plan.nearest is not None:
        headers["X-Nearest-Tile"] = plan.nearest.tile
    return headers


def reported(report: Mapping[str, Any] | None) -> dict[str, str]:
    """What became of an upload, for formats that have no place to say it."""
    if report is None:
        return {}
    repaired = sum(any("repaired" in done for done in one["done"]) for one in report["features"])
    told = f"{len(report['features'])} features of {report['format']}, {repaired} repaired"
    return {"X-Upload-Report": f"{told}, {len(report['left_out'])} left out"}


def promised(plan: Plan) -> dict[str, str]:
    """What the stream comes to, for who shows how far it is: rows, at most, and the time they span."""
    rows = len(plan.acquisitions) * len(plan.request.names)
    if not rows:
        return {"X-Rows": "0"}
    first, last = plan.observations[0].acquired, plan.observations[-1].acquired
    return {"X-Rows": str(rows), "X-Interval": f"{format_instant(first)}/{format_instant(last)}"}


def unless_complete(series: Series) -> dict[str, str]:
    """What failed may succeed next time: an answer with failures is not to be kept."""
    return {} if series.is_complete else {"Cache-Control": "no-store"}


def counted(unindexed: int, packed: int = 0, broken: int = 0) -> dict[str, str]:
    """How many images were read the slow way, because the block index does not hold them; how many from packs."""
    told = {"X-Unindexed-Images": unindexed, "X-Packed-Images": packed, "X-Unreadable-Packs": broken}
    return {name: str(count) for name, count in told.items() if count}


def links_to(request: Request, wanted: Format) -> list[dict[str, str]]:
    """This answer, and the same in the other formats."""
    links = [{"rel": "self", "type": wanted.media_type, "href": str(request.url)}]
    if request.method != "GET":
        return links
    others = [one for one in FORMATS.values() if one is not wanted]
    return links + [
        {"rel": "alternate", "type": one.media_type, "href": str(request.url.include_query_params(f=one.name))}
        if "/timeseries/" not in request.url.path
        else {"rel": "alternate", "type": one.media_type, "href": _with_suffix(request.url, one.name)}
        for one in others
    ]


def _with_suffix(url: URL, name: str) -> str:
    path = re.sub(rf"\.({'|'.join(FORMATS)})$", "", url.path)
    return str(url.replace(path=f"{path}.{name}").remove_query_params("f"))
