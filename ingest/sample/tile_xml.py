"""`MTD_TL.xml`: the granule's place, angles and quality."""

from datetime import timedelta
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from ingest.sample.content import Content
from ingest.sample.instrument import CHANNELS
from ingest.sample.layout import GSDS, MaskFile, band_masks, preview_path, probabilities, raster_masks
from ingest.sample.product_xml import content_elements
from ingest.sample.spec import ProductSpec
from ingest.sample.sun import SunAngles, sun_angles
from ingest.sample.xml import XSI, document, el, instant_micro
from stac.bands import BAND_IDS

_ANGLE_STEP = 5_000
_ANGLE_NODES = 23
_DETECTORS = 12
_VIEW_AZIMUTH = 104.0
_TRACK_TO_EDGE = 10.3


def tile_metadata(spec: ProductSpec, content: Content) -> bytes:
    """The granule's metadata file."""
    schema = f"https://psd-14.sentinel2.eo.esa.int/PSD/S2_PDI_Level-{spec.level[1:]}_Tile_Metadata.xsd"
    names = {"xmlns__n1": schema, "xmlns__xsi": XSI, "xsi__schemaLocation": f"{schema} {schema.rsplit('/', 1)[1]}"}
    return document(
        el(
            f"n1:Level-{spec.level[1:]}_Tile_ID",
            _general_info(spec),
            el("n1:Geometric_Info", _geocoding(spec), _angles(spec)),
            _quality(spec, content),
            **names,
        )
    )


def tile_sun_angles(spec: ProductSpec) -> SunAngles:
    """The sun over the tile at the nodes of the 5 km grid (23, 23), in degrees."""
    steps = np.arange(_ANGLE_NODES) * float(_ANGLE_STEP)
    ulx, uly = spec.grid.origin
    x, y = np.meshgrid(ulx + steps, uly - steps)
    lonlat = spec.grid.to_lonlat(np.stack([x.ravel(), y.ravel()], axis=1))
    angles = sun_angles(spec.datastrip_start, lonlat[:, 0], lonlat[:, 1])
    return SunAngles(angles.zenith.reshape(x.shape), angles.azimuth.reshape(x.shape))


def _general_info(spec: ProductSpec) -> Element:
    level_one = [el("L1C_TILE_ID", spec.tile_id_of("L1C"), metadataLevel="Brief")] if spec.level == "L2A" else []
    return el(
        "n1:General_Info",
        *level_one,
        el("TILE_ID", spec.tile_id, metadataLevel="Brief"),
        el("DATASTRIP_ID", spec.datastrip_id, metadataLevel="Standard"),
        el("DOWNLINK_PRIORITY", "NOMINAL", metadataLevel="Standard"),
        el("SENSING_TIME", instant_micro(spec.datastrip_start + timedelta(seconds=14)), metadataLevel="Standard"),
        el(
            "Archiving_Info",
            el("ARCHIVING_CENTRE", spec.centre),
            el("ARCHIVING_TIME", instant_micro(spec.generated + timedelta(minutes=40))),
            metadataLevel="Expertise",
        ),
    )


def _geocoding(spec: ProductSpec) -> Element:
    grid = spec.grid
    ulx, uly = grid.origin
    hemisphere = "N" if grid.epsg // 100 == 326 else "S"  # noqa: PLR2004
    sizes = (el("Size", el("NROWS", grid.count(gsd)), el("NCOLS", grid.count(gsd)), resolution=gsd) for gsd in GSDS)
    positions = (
        el(
            "Geoposition",
            el("ULX", ulx),
            el("ULY", uly),
            el("XDIM", f"{grid.pixel(gsd):.10g}"),
            el("YDIM", f"{-grid.pixel(gsd):.10g}"),
            resolution=gsd,
        )
        for gsd in GSDS
    )
    return el(
        "Tile_Geocoding",
        el("HORIZONTAL_CS_NAME", f"WGS84 / UTM zone {grid.mgrs.zone}{hemisphere}"),
        el("HORIZONTAL_CS_CODE", f"EPSG:{grid.epsg}"),
        *sizes,
        *positions,
        metadataLevel="Brief",
    )


def _angles(spec: ProductSpec) -> Element:
    sun = tile_sun_angles(spec)
    return el(
        "Tile_Angles",
        el("Sun_Angles_Grid", _angle_grid("Zenith", sun.zenith), _angle_grid("Azimuth", sun.azimuth)),
        _mean_angle("Mean_Sun_Angle", float(sun.zenith.mean()), float(sun.azimuth.mean())),
        *_viewing_grids(),
        el(
            "Mean_Viewing_Incidence_Angle_List",
            *(
                _mean_angle("Mean_Viewing_Incidence_Angle", _mean_zenith(index), _VIEW_AZIMUTH + index / 10, index)
                for index in range(len(CHANNELS))
            ),
        ),
        metadataLevel="Standard",
    )


def _viewing_grids() -> list[Element]:
    """One detector, seven, sees the whole tile, at angles growing from west to east."""
    zenith = np.tile(np.linspace(0.4, _TRACK_TO_EDGE, _ANGLE_NODES), (_ANGLE_NODES, 1))
    azimuth = np.full_like(zenith, _VIEW_AZIMUTH)
    return [
        el(
            "Viewing_Incidence_Angles_Grids",
            _angle_grid("Zenith", zenith + index / 50),
            _angle_grid("Azimuth", azimuth + index / 10),
            bandId=index,
            detectorId=_DETECTORS // 2 + 1,
        )
        for index in range(len(CHANNELS))
    ]


def _mean_zenith(index: int) -> float:
    return (0.4 + _TRACK_TO_EDGE) / 2 + index / 50


def _angle_grid(tag: str, values: NDArray[np.float64]) -> Element:
    rows = (el("VALUES", " ".join(f"{value:.6g}" for value in row)) for row in values)
    return el(
        tag,
        el("COL_STEP", _ANGLE_STEP, unit="m"),
        el("ROW_STEP", _ANGLE_STEP, unit="m"),
        el("Values_List", *rows),
    )


def _mean_angle(tag: str, zenith: float, azimuth: float, band_id: int | None = None) -> Element:
    angles = (el("ZENITH_ANGLE", zenith, unit="deg"), el("AZIMUTH_ANGLE", azimuth, unit="deg"))
    return el(tag, *angles) if band_id is None else el(tag, *angles, bandId=band_id)


def _quality(spec: ProductSpec, content: Content) -> Element:
    retrieval = raster_masks(spec)
    surface = spec.level == "L2A"
    over_land = [el("CLOUDY_PIXEL_OVER_LAND_PERCENTAGE", f"{content.cloudy_over_land:.6f}")]
    return el(
        "n1:Quality_Indicators_Info",
        el(
            "Image_Content_QI",
            el("CLOUDY_PIXEL_PERCENTAGE", f"{content.cloudy:.6f}"),
            *(over_land if surface and retrieval else []),
            el("DEGRADED_MSI_DATA_PERCENTAGE", 0),
            *(content_elements(content, retrieval=retrieval) if surface else []),
        ),
        el(
            "Pixel_Level_QI",
            *(_mask_name(file) for file in (*band_masks(spec), *probabilities(spec))),
            geometry="FULL_RESOLUTION",
        ),
        el("PVI_FILENAME", preview_path(spec)),
        metadataLevel="Standard",
    )


def _mask_name(file: MaskFile) -> Element:
    if file.band is None:
        return el("MASK_FILENAME", file.path, type=file.kind)
    return el("MASK_FILENAME", file.path, bandId=BAND_IDS.index(file.band), type=file.kind)
