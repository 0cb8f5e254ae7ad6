"""The properties by which items are searched: their types, for clients and for pgSTAC's comparisons."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

_NUMBER: dict[str, Any] = {"type": "number"}
_TEXT: dict[str, Any] = {"type": "string"}
_INTEGER: dict[str, Any] = {"type": "integer"}
_FLAG: dict[str, Any] = {"type": "boolean"}
_PERCENT: dict[str, Any] = {"type": "number", "minimum": 0, "maximum": 100}
_TIME: dict[str, Any] = {"type": "string", "format": "date-time"}

QUERYABLES: dict[str, dict[str, Any]] = {
    "platform": {"title": "Platform", **_TEXT},
    "constellation": {"title": "Constellation", **_TEXT},
    "gsd": {"title": "Ground sampling distance in metres", **_NUMBER},
    "created": {"title": "Record made", **_TIME},
    "updated": {"title": "Record changed", **_TIME},
    "deprecated": {"title": "Superseded by a newer processing", **_FLAG},
    "eo:cloud_cover": {"title": "Cloud cover in per cent", **_PERCENT},
    "eo:snow_cover": {"title": "Snow cover in per cent", **_PERCENT},
    "grid:code": {"title": "Tile, such as MGRS-48PWU", **_TEXT},
    "mgrs:utm_zone": {"title": "UTM zone", "type": "integer", "minimum": 1, "maximum": 60},
    "mgrs:latitude_band": {"title": "MGRS latitude band", **_TEXT},
    "mgrs:grid_square": {"title": "MGRS grid square", **_TEXT},
    "proj:code": {"title": "Projection", **_TEXT},
    "processing:level": {"title": "Processing level", **_TEXT},
    "processing:version": {"title": "Processing baseline", **_TEXT},
    "processing:datetime": {"title": "Processed", **_TIME},
    "product:type": {"title": "Product type", **_TEXT},
    "sat:orbit_state": {"title": "Orbit direction", "type": "string", "enum": ["ascending", "descending"]},
    "sat:relative_orbit": {"title": "Relative orbit", "type": "integer", "minimum": 1, "maximum": 143},
    "sat:absolute_orbit": {"title": "Absolute orbit", **_INTEGER},
    "view:sun_azimuth": {"title": "Sun azimuth in degrees", **_NUMBER},
    "view:sun_elevation": {"title": "Sun elevation in degrees", **_NUMBER},
    "view:azimuth": {"title": "View azimuth in degrees", **_NUMBER},
    "view:incidence_angle": {"title": "Incidence angle in degrees", **_NUMBER},
    "s2:processing_baseline": {"title": "Processing baseline", **_TEXT},
    "s2:product_uri": {"title": "Product name", **_TEXT},
    "s2:product_type": {"title": "Product type", **_TEXT},
    "s2:datatake_id": {"title": "Datatake", **_TEXT},
    "s2:datastrip_id": {"title": "Datastrip", **_TEXT},
    "s2:tile_id": {"title": "Granule", **_TEXT},
    "s2:generation_time": {"title": "Generated", **_TIME},
    "s2:nodata_pixel_percentage": {"title": "Pixels without data in per cent", **_PERCENT},
    "s2:water_percentage": {"title": "Water in per cent", **_PERCENT},
    "s2:vegetation_percentage": {"title": "Vegetation in per cent", **_PERCENT},
    "sen2extract:fingerprint": {"title": "Fingerprint of the product's files", **_TEXT},
    "sen2extract:source": {"title": "Form in which the product came", **_TEXT},
    "sen2extract:offset_applied": {"title": "The source had applied the offset already", **_FLAG},
    "sen2extract:lossy": {"title": "Imported from files that had lost precision", **_FLAG},
    "sen2extract:origin": {"title": "Who made the surface reflectance: esa or local", **_TEXT},
}

INDEXED = ("eo:cloud_cover", "grid:code", "deprecated")
"""What users filter by in large archives: these get a database index, and statistics for the planner with it."""
_TYPES: Mapping[str, tuple[str, type | tuple[type, ...]]] = {
    "number": ("a number", (int, float)),
    "integer": ("a whole number", int),
    "boolean": ("true or false", bool),
    "string": ("text", str),
}
_MOST = 2**53


def misfits(properties: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the values of an item by which items are searched, sorted or counted.

    One that is not of its type would fail every search that looks at it. Null is no value.
    """
    for name, value in properties.items():
        if value is not None and name in QUERYABLES and (wanted := _misfit(QUERYABLES[name], value)):
            yield f"{name} has to be {wanted}, not {value!r:.80}"


def _misfit(definition: Mapping[str, Any], value: Any) -> str | None:
    """What a value has to be, if it is not."""
    kind = definition["type"]
    wanted, types = _TYPES[kind]
    if not isinstance(value, types) or (isinstance(value, bool) and kind != "boolean"):
        return wanted
    if definition.get("format") == "date-time" and not _is_time(str(value)):
        return "a time such as 2025-01-31T10:20:30Z"
    # The ranges of whole numbers are those of Sentinel-2, and other collections may hold others.
    low, high = (
        (definition.get("minimum", -_MOST), definition.get("maximum", _MOST)) if kind == "number" else (-_MOST, _MOST)
    )
    if isinstance(value, int | float) and not low <= value <= high:
        return f"{wanted} from {low} to {high}"
    return None


def _is_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
