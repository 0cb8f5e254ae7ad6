"""`MTD_DS.xml`, reduced to what identifies the datastrip: the real file's orbits and attitudes fill megabytes."""

from datetime import timedelta
from xml.etree.ElementTree import Element

from ingest.sample.instrument import CHANNELS
from ingest.sample.spec import ProductSpec
from ingest.sample.sun import earth_sun_correction
from ingest.sample.xml import XSI, document, el, instant, instant_micro

_DURATION = timedelta(minutes=4)


def datastrip_metadata(spec: ProductSpec) -> bytes:
    """The datastrip's metadata file."""
    schema = f"https://psd-14.sentinel2.eo.esa.int/PSD/S2_PDI_Level-{spec.level[1:]}_Datastrip_Metadata.xsd"
    names = {"xmlns__n1": schema, "xmlns__xsi": XSI, "xsi__schemaLocation": f"{schema} {schema.rsplit('/', 1)[1]}"}
    return document(
        el(f"n1:Level-{spec.level[1:]}_DataStrip_ID", _general_info(spec), _image_data(spec), _quality(), **names)
    )


def _general_info(spec: ProductSpec) -> Element:
    return el(
        "n1:General_Info",
        el(
            "Datatake_Info",
            el("SPACECRAFT_NAME", f"Sentinel-{spec.platform[1:]}"),
            el("DATATAKE_TYPE", "INS-NOBS"),
            el("DATATAKE_SENSING_START", instant(spec.sensing)),
            el("SENSING_ORBIT_NUMBER", spec.relative_orbit),
            el("SENSING_ORBIT_DIRECTION", "DESCENDING"),
            datatakeIdentifier=spec.datatake_id,
            metadataLevel="Brief",
        ),
        el(
            "Datastrip_Time_Info",
            el("DATASTRIP_SENSING_START", instant(spec.datastrip_start)),
            el("DATASTRIP_SENSING_STOP", instant(spec.datastrip_start + _DURATION)),
            metadataLevel="Brief",
        ),
        el(
            "Processing_Info",
            el("PROCESSING_BASELINE", spec.baseline),
            el("PROCESSING_CENTER", spec.centre),
            el("UTC_DATE_TIME", f"{spec.generated:%Y-%m-%dT%H:%M:%SZ}"),
            metadataLevel="Expertise",
        ),
        el(
            "Downlink_Info",
            el("RECEPTION_STATION", "SGS_"),
            el("DOWNLINK_ORBIT_NUMBER", spec.absolute_orbit),
            metadataLevel="Standard",
        ),
        el(
            "Archiving_Info",
            el("ARCHIVING_CENTRE", spec.centre),
            el("ARCHIVING_TIME", instant_micro(spec.generated + timedelta(minutes=30))),
            metadataLevel="Expertise",
        ),
    )


def _image_data(spec: ProductSpec) -> Element:
    conversion = el(
        "Reflectance_Conversion",
        el("U", earth_sun_correction(spec.sensing)),
        el(
            "Solar_Irradiance_List",
            *(el("SOLAR_IRRADIANCE", c.irradiance, bandId=c.band_id, unit="W/m²/µm") for c in CHANNELS),
        ),
    )
    return el(
        "n1:Image_Data_Info",
        el("Tiles_Information", el("Tile_List", el("Tile", tileId=spec.tile_id)), metadataLevel="Standard"),
        el("Radiometric_Info", conversion, metadataLevel="Standard"),
    )


def _quality() -> Element:
    return el("n1:Quality_Indicators_Info", el("DEGRADED_ANC_DATA_PERCENTAGE", 0), metadataLevel="Brief")
