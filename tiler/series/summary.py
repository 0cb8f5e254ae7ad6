"""What an answer says about itself. Pure."""

from typing import Any

from tiler.series.rows import Series
from tiler.series.version import NAME, VERSION


def about(series: Series) -> dict[str, Any]:
    """The query and the software; what became of an upload; how far a smoothed curve lies from what was observed."""
    told: dict[str, Any] = {"query": series.request.echo(), "software": {"name": NAME, "version": VERSION}}
    if series.report is not None:
        told["report"] = series.report
    if series.smoothing:
        told["smoothing"] = list(series.smoothing)
    return told


def summary(series: Series) -> dict[str, Any]:
    """How many acquisitions and rows there are, how many of each status, how many were dropped, and why none.

    `unindexed` counts images that had to be read the slow way, `lossy` the observations of an archive that had lost
    something before it was imported.
    """
    told: dict[str, Any] = {
        "acquisitions": series.acquisitions,
        "rows": len(series.rows),
        "dropped": series.dropped,
        **series.statuses,
    }
    # Of these only what is there is worth a word.
    told |= {name: count for name in ("unindexed", "lossy") if (count := getattr(series, name))}
    if not series.rows or not series.acquisitions:
        told["message"] = _why_empty(series)
    if series.nearest is not None:
        told["nearest"] = {"tile": series.nearest.tile, "distance_km": series.nearest.distance_km}
    return told


def _why_empty(series: Series) -> str:
    if series.dropped:
        return f"all {series.dropped} samples have fewer valid pixels than min_valid={series.request.min_valid:g}"
    if series.nearest is None:
        return f"{series.request.collection} holds nothing yet"
    if series.nearest.distance_km == 0:
        return f"tile {series.nearest.tile} covers this place, but no acquisition passes datetime and filters"
    near = series.nearest
    return f"no image covers this place: the nearest tile held is {near.tile}, {near.distance_km:g} km away"
