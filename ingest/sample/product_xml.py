"""`MTD_MSIL1C.xml` and `MTD_MSIL2A.xml`, of product specification 14."""

from collections.abc import Iterable
from xml.etree.ElementTree import Element

from ingest.sample.content import CLASS_TAGS, Content, footprint
from ingest.sample.instrument import CHANNELS, Channel
from ingest.sample.layout import images, raster_masks
from ingest.sample.pixels import LAYER_QUANTIFICATION, QUANTIFICATION
from ingest.sample.spec import ProductSpec
from ingest.sample.sun import earth_sun_correction
from ingest.sample.xml import XSI, document, el, instant, instant_micro

_SCENE_CLASSES = (
    "NODATA", "SATURATED_DEFECTIVE", "DARK_FEATURE_SHADOW", "CLOUD_SHADOW", "VEGETATION", "NOT_VEGETATED",
    "WATER", "UNCLASSIFIED", "CLOUD_MEDIUM_PROBA", "CLOUD_HIGH_PROBA", "THIN_CIRRUS", "SNOW_ICE",
)  # fmt: skip
_CHECKS = ("FORMAT_CORRECTNESS", "GENERAL_QUALITY", "GEOMETRIC_QUALITY", "RADIOMETRIC_QUALITY", "SENSOR_QUALITY")


def product_metadata(spec: ProductSpec, content: Content) -> bytes:
    """The product's metadata file."""
    schema = f"https://psd-14.sentinel2.eo.esa.int/PSD/User_Product_Level-{spec.level[1:]}.xsd"
    names = {"xmlns__n1": schema, "xmlns__xsi": XSI, "xsi__schemaLocation": schema}
    return document(
        el(
            f"n1:Level-{spec.level[1:]}_User_Product",
            el("n1:General_Info", _product_info(spec), _image_characteristics(spec)),
            _geometric_info(spec),
            _auxiliary_info(spec),
            _quality_info(spec, content),
            **names,
        )
    )


def content_elements(content: Content, *, retrieval: bool) -> Iterable[Element]:
    """The shares of `Image_Content_QI` that product and tile metadata of L2A have in common."""
    yield el("NODATA_PIXEL_PERCENTAGE", f"{content.nodata:.6f}")
    for code, tag in CLASS_TAGS.items():
        yield el(f"{tag}_PERCENTAGE", f"{content.classes[code]:.6f}")
    for name in ("RADIATIVE_TRANSFER", "WATER_VAPOUR_RETRIEVAL", "AOT_RETRIEVAL"):
        yield el(f"{name}_ACCURACY", "0.0")
    if retrieval:
        yield el("AOT_RETRIEVAL_METHOD", "SEN2COR_DDV")
        yield el("GRANULE_MEAN_AOT", f"{content.mean_aot:.6f}")
        yield el("GRANULE_MEAN_WV", f"{content.mean_wvp:.6f}")
        yield el("OZONE_SOURCE", "AUX_ECMWFT")
        yield el("OZONE_VALUE", "255.000000")


def _product_info(spec: ProductSpec) -> Element:
    doi = "https://doi.org/10.5270/S2_-znk9xsj" if spec.level == "L2A" else "https://doi.org/10.5270/S2_-742ikth"
    return el(
        "Product_Info",
        el("PRODUCT_START_TIME", instant(spec.sensing)),
        el("PRODUCT_STOP_TIME", instant(spec.sensing)),
        el("PRODUCT_URI", f"{spec.name}.SAFE"),
        el("PROCESSING_LEVEL", f"Level-{spec.level[1:]}"),
        el("PRODUCT_TYPE", f"S2MSI{spec.level[1:]}"),
        el("PROCESSING_BASELINE", spec.baseline),
        *([el("PRODUCT_DOI", doi)] if raster_masks(spec) else []),
        el("GENERATION_TIME", instant_micro(spec.generated)),
        el("PREVIEW_IMAGE_URL", "Not applicable"),
        el("PREVIEW_GEO_INFO", "Not applicable"),
        el(
            "Datatake",
            el("SPACECRAFT_NAME", f"Sentinel-{spec.platform[1:]}"),
            el("DATATAKE_TYPE", "INS-NOBS"),
            el("DATATAKE_SENSING_START", instant(spec.sensing)),
            el("SENSING_ORBIT_NUMBER", spec.relative_orbit),
            el("SENSING_ORBIT_DIRECTION", "DESCENDING"),
            datatakeIdentifier=spec.datatake_id,
        ),
        el("Query_Options", el("PRODUCT_FORMAT", "SAFE_COMPACT"), completeSingleTile="true"),
        el("Product_Organisation", el("Granule_List", _granule(spec))),
    )


def _granule(spec: ProductSpec) -> Element:
    return el(
        "Granule",
        *(el("IMAGE_FILE", file.path.removesuffix(".jp2")) for file in images(spec)),
        datastripIdentifier=spec.datastrip_id,
        granuleIdentifier=spec.tile_id,
        imageFormat="JPEG2000",
    )


def _image_characteristics(spec: ProductSpec) -> Element:
    surface = spec.level == "L2A"
    return el(
        "Product_Image_Characteristics",
        _special_value("NODATA", 0),
        _special_value("SATURATED", 65_535),
        el("Image_Display_Order", el("RED_CHANNEL", 3), el("GREEN_CHANNEL", 2), el("BLUE_CHANNEL", 1)),
        _quantification() if surface else el("QUANTIFICATION_VALUE", QUANTIFICATION, unit="none"),
        *_offsets(spec),
        _reflectance_conversion(spec),
        el("Spectral_Information_List", *(_spectral_information(channel) for channel in CHANNELS)),
        *(el("PHYSICAL_GAINS", channel.gain, bandId=channel.band_id) for channel in CHANNELS),
        *([_scene_classification()] if surface else [el("REFERENCE_BAND", 3)]),
    )


def _special_value(text: str, index: int) -> Element:
    return el("Special_Values", el("SPECIAL_VALUE_TEXT", text), el("SPECIAL_VALUE_INDEX", index))


def _quantification() -> Element:
    return el(
        "QUANTIFICATION_VALUES_LIST",
        el("BOA_QUANTIFICATION_VALUE", QUANTIFICATION, unit="none"),
        el("AOT_QUANTIFICATION_VALUE", float(LAYER_QUANTIFICATION), unit="none"),
        el("WVP_QUANTIFICATION_VALUE", float(LAYER_QUANTIFICATION), unit="cm"),
    )


def _offsets(spec: ProductSpec) -> list[Element]:
    if not spec.has_offset:
        return []
    if spec.level == "L2A":
        values = (el("BOA_ADD_OFFSET", spec.offset, band_id=channel.band_id) for channel in CHANNELS)
        return [el("BOA_ADD_OFFSET_VALUES_LIST", *values)]
    values = (el("RADIO_ADD_OFFSET", spec.offset, band_id=channel.band_id) for channel in CHANNELS)
    return [el("Radiometric_Offset_List", *values)]


def _reflectance_conversion(spec: ProductSpec) -> Element:
    irradiances = (
        el("SOLAR_IRRADIANCE", channel.irradiance, bandId=channel.band_id, unit="W/m²/µm") for channel in CHANNELS
    )
    return el(
        "Reflectance_Conversion",
        el("U", earth_sun_correction(spec.sensing)),
        el("Solar_Irradiance_List", *irradiances),
    )


def _spectral_information(channel: Channel) -> Element:
    return el(
        "Spectral_Information",
        el("RESOLUTION", channel.gsd),
        el(
            "Wavelength",
            el("MIN", channel.shortest, unit="nm"),
            el("MAX", channel.longest, unit="nm"),
            el("CENTRAL", channel.central, unit="nm"),
        ),
        el(
            "Spectral_Response",
            el("STEP", 1, unit="nm"),
            # A box: the true response is of no use to a reader of sample data.
            el("VALUES", " ".join(["1.0"] * (channel.longest - channel.shortest + 1))),
        ),
        bandId=channel.band_id,
        physicalBand=channel.physical,
    )


def _scene_classification() -> Element:
    return el(
        "Scene_Classification_List",
        *(
            el(
                "Scene_Classification_ID",
                el("SCENE_CLASSIFICATION_TEXT", f"SC_{name}"),
                el("SCENE_CLASSIFICATION_INDEX", index),
            )
            for index, name in enumerate(_SCENE_CLASSES)
        ),
    )


def _geometric_info(spec: ProductSpec) -> Element:
    ring = " ".join(f"{lat:.12f} {lon:.12f}" for lon, lat in footprint(spec))
    return el(
        "n1:Geometric_Info",
        el(
            "Product_Footprint",
            el("Product_Footprint", el("Global_Footprint", el("EXT_POS_LIST", f"{ring} "))),
            el("RASTER_CS_TYPE", "POINT"),
            el("PIXEL_ORIGIN", 1),
        ),
        el(
            "Coordinate_Reference_System",
            el("GEO_TABLES", "EPSG", version=1),
            el("HORIZONTAL_CS_TYPE", "GEOGRAPHIC"),
        ),
    )


def _auxiliary_info(spec: ProductSpec) -> Element:
    gipp = f"{spec.platform}_OPER_GIP_PROBAS_MPC__20200101T000000_V20200101T000000_21000101T000000_B00"
    day = f"{spec.sensing:%Y%m%d}T000000"
    surface = (
        el("LUT_List", el("LUT_FILENAME", "None")),
        el("SNOW_CLIMATOLOGY_MAP", "GlobalSnowMap.tiff"),
        el("ESACCI_WaterBodies_Map", "ESACCI-LC-L4-WB-Map-150m-P13Y-2000-v4.0.tif"),
        el("ESACCI_LandCover_Map", "ESACCI-LC-L4-LCCS-Map-300m-P1Y-2015-v2.0.7.tif"),
        el("ESACCI_SnowCondition_Map_Dir", "ESACCI-LC-L4-Snow-Cond-500m-MONTHLY-2000-2012-v2.4"),
    )
    return el(
        "n1:Auxiliary_Data_Info",
        el("GIPP_List", el("GIPP_FILENAME", gipp, type="GIP_PROBAS", version=spec.baseline.replace(".", ""))),
        el("PRODUCTION_DEM_TYPE", "CopernicusDEM30"),
        el("IERS_BULLETIN_FILENAME", f"S2__OPER_AUX_UT1UTC_PDMC_{day}_V{day}_{day}"),
        el("GRI_List"),
        el("ECMWF_DATA_REF", f"S2__OPER_AUX_ECMWFD_ADG__{day}_V{day}_{day}"),
        *(surface if spec.level == "L2A" else ()),
    )


def _quality_info(spec: ProductSpec, content: Content) -> Element:
    surface = spec.level == "L2A"
    checks = (*_CHECKS[:3], "L2A_QUALITY", *_CHECKS[3:]) if surface else _CHECKS
    over_land = [el("CLOUDY_PIXEL_OVER_LAND_PERCENTAGE", f"{content.cloudy_over_land:.6f}")]
    retrieval = raster_masks(spec)
    shares = (*(over_land if retrieval else []), *content_elements(content, retrieval=retrieval))
    return el(
        "n1:Quality_Indicators_Info",
        el("Cloud_Coverage_Assessment", f"{content.cloudy:.6f}"),
        el(
            "Technical_Quality_Assessment",
            el("DEGRADED_ANC_DATA_PERCENTAGE", "0.0"),
            el("DEGRADED_MSI_DATA_PERCENTAGE", "0"),
        ),
        el(
            "Quality_Control_Checks",
            el("Quality_Inspections", *(el("quality_check", "PASSED", checkType=check) for check in checks)),
            el("Failed_Inspections"),
        ),
        *([el("Image_Content_QI", *shares)] if surface else []),
    )
