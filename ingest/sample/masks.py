"""Quality masks: JP2 rasters from baseline 04.00 on, GML polygons before."""

from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray
from rasterio.features import shapes

from ingest.sample.images import write_jp2
from ingest.sample.layout import MaskFile
from ingest.sample.pixels import cloud_probability, scl, valid_mask
from ingest.sample.spec import ProductSpec
from ingest.sample.xml import XSI, document, el

_DETECTOR = 7
_QUALITY_LAYERS = 8
_OPAQUE, _CIRRUS = (8, 9), (10,)
_GML_NAMES = {"MSK_CLOUDS": "OPAQUE", "MSK_DETFOO": "DETECTOR_FOOTPRINT", "MSK_NODATA": "QT_NODATA_PIXELS"}


def write_mask(spec: ProductSpec, file: MaskFile, path: Path) -> None:
    """Write one mask of the product to `path`."""
    if path.suffix == ".gml":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_gml(spec, file))
        return
    write_jp2(path, mask_pixels(spec, file), epsg=spec.grid.epsg, transform=spec.grid.transform(file.gsd))


def mask_pixels(spec: ProductSpec, file: MaskFile) -> NDArray[np.uint8]:
    """Pixels of a raster mask, uint8: (rows, columns), 3 layers of `MSK_CLASSI`, 8 of `MSK_QUALIT`."""
    if file.kind == "MSK_CLASSI":
        classes = scl(spec, gsd=file.gsd)
        layers = [np.isin(classes, _OPAQUE), np.isin(classes, _CIRRUS), np.zeros(classes.shape, np.bool_)]
        return np.stack(layers).astype(np.uint8)
    inside = valid_mask(spec, gsd=file.gsd)
    if file.kind == "MSK_DETFOO":
        return inside.astype(np.uint8) * np.uint8(_DETECTOR)
    return np.zeros((_QUALITY_LAYERS, *inside.shape), np.uint8)


def _gml(spec: ProductSpec, file: MaskFile) -> bytes:
    band = file.band or "B00"
    stamp = f"{spec.generated:%Y%m%dT%H%M%S}_A{spec.absolute_orbit:06d}_T{spec.tile}_{band}_MSI{spec.level}"
    identifier = f"{spec.platform}_OPER_{file.kind}_{spec.centre}_{stamp}"
    features = [_feature(spec, file, index, ring) for index, ring in enumerate(_rings(spec, file))]
    return document(
        el(
            "eop:Mask",
            el("gml:name", f"{file.kind} pixels mask from data-strip {identifier}"),
            el("eop:maskMembers", *features),
            xmlns__eop="http://www.opengis.net/eop/2.0",
            xmlns__xsi=XSI,
            xmlns__gml="http://www.opengis.net/gml/3.2",
            gml__id=identifier,
        )
    )


def _feature(spec: ProductSpec, file: MaskFile, index: int, ring: list[tuple[float, float]]) -> Element:
    name = _GML_NAMES[file.kind]
    positions = el("gml:posList", " ".join(f"{x:.10g} {y:.10g}" for x, y in ring), srsDimension=2)
    polygon = el("gml:Polygon", el("gml:exterior", el("gml:LinearRing", positions)), gml__id=f"{name}.{index}_Polygon")
    polygon.set("srsName", f"urn:ogc:def:crs:EPSG:8.7:{spec.grid.epsg}")
    return el(
        "eop:MaskFeature",
        el("eop:maskType", name, codeSpace="urn:gs2:S2PDGS:maskType"),
        el("eop:extentOf", polygon),
        gml__id=f"{name}.{index}",
    )


def _rings(spec: ProductSpec, file: MaskFile) -> list[list[tuple[float, float]]]:
    """Outlines in UTM metres of what the mask marks."""
    marked = _marked(spec, file)
    found: Any = shapes(marked.astype(np.uint8), mask=marked, transform=spec.grid.transform(file.gsd))
    return [shape["coordinates"][0] for shape, _ in found]


def _marked(spec: ProductSpec, file: MaskFile) -> NDArray[np.bool_]:
    if file.kind == "MSK_CLOUDS":
        return cloud_probability(spec, gsd=file.gsd) > 50  # noqa: PLR2004
    inside = valid_mask(spec, gsd=file.gsd)
    if file.kind == "MSK_DETFOO":
        return inside
    return ~inside if file.kind == "MSK_NODATA" else np.zeros_like(inside)
