"""Numbers about a product's pixels that its metadata state."""

from dataclasses import dataclass

import numpy as np

from ingest.sample.pixels import LAYER_QUANTIFICATION, cloud_probability, image, scl
from ingest.sample.spec import SWATH_SLOPE, ProductSpec
from ingest.tiling import EXTENT

CLASS_TAGS = {
    1: "SATURATED_DEFECTIVE_PIXEL",
    2: "DARK_FEATURES",
    3: "CLOUD_SHADOW",
    4: "VEGETATION",
    5: "NOT_VEGETATED",
    6: "WATER",
    7: "UNCLASSIFIED",
    8: "MEDIUM_PROBA_CLOUDS",
    9: "HIGH_PROBA_CLOUDS",
    10: "THIN_CIRRUS",
    11: "SNOW_ICE",
}


@dataclass(frozen=True, kw_only=True)
class Content:
    """Shares in per cent; the classes' are those of the valid pixels, as Sen2Cor states them."""

    nodata: float
    cloudy: float
    cloudy_over_land: float
    classes: dict[int, float]
    mean_aot: float
    mean_wvp: float


def content_of(spec: ProductSpec) -> Content:
    """Measure a product's own scene classification."""
    classes = scl(spec)
    counts = np.bincount(classes.ravel(), minlength=12)
    valid = max(1, int(counts[1:].sum()))
    shares = {code: 100 * int(counts[code]) / valid for code in CLASS_TAGS}
    cloudy = shares[8] + shares[9] + shares[10]
    if spec.level == "L1C":
        cloudy = 100 * int((cloud_probability(spec)[classes > 0] > 50).sum()) / valid  # noqa: PLR2004
    land = max(1, valid - int(counts[6]))
    return Content(
        nodata=100 * int(counts[0]) / classes.size,
        cloudy=cloudy,
        cloudy_over_land=100 * int(counts[8:11].sum()) / land,
        classes=shares,
        mean_aot=_mean(spec, "AOT"),
        mean_wvp=_mean(spec, "WVP"),
    )


def footprint(spec: ProductSpec) -> list[tuple[float, float]]:
    """Closed ring (longitude, latitude) around the tile's part inside the swath; the whole tile if that is empty."""
    ulx, uly = spec.grid.origin
    right = ulx + EXTENT
    top, bottom = _edge(spec, uly), _edge(spec, uly - EXTENT)
    if top <= ulx:
        top = bottom = right
    ring: list[tuple[float, float]] = [(ulx, uly), (min(top, right), uly)]
    if bottom < right < top and spec.swath_edge is not None:
        ring.append((right, spec.swath_edge[1] + (right - spec.swath_edge[0]) / SWATH_SLOPE))
    if bottom <= ulx and spec.swath_edge is not None:
        ring.append((ulx, spec.swath_edge[1] + (ulx - spec.swath_edge[0]) / SWATH_SLOPE))
    else:
        ring += [(min(bottom, right), uly - EXTENT), (ulx, uly - EXTENT)]
    lonlat = spec.grid.to_lonlat(np.array([*ring, ring[0]], float))
    return [(float(lon), float(lat)) for lon, lat in lonlat]


def _edge(spec: ProductSpec, northing: float) -> float:
    """Easting of the swath's edge at a northing."""
    if spec.swath_edge is None:
        return float("inf")
    return spec.swath_edge[0] + (northing - spec.swath_edge[1]) * SWATH_SLOPE


def _mean(spec: ProductSpec, layer: str) -> float:
    values = image(spec, layer, 20)
    inside = values[values > 0]
    return float(inside.mean()) / LAYER_QUANTIFICATION if inside.size else 0.0
