"""The properties by which items are searched: their types, for clients and for pgSTAC's comparisons."""

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
