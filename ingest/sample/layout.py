"""Which files a product has, and where they lie in its folder."""

from dataclasses import dataclass

from ingest.sample.spec import OFFSET_SINCE, ProductSpec
from stac.bands import BAND_IDS, BANDS
from stac.naming import Baseline

GSDS = (10, 20, 60)

_L2A_FULL = {
    10: ("AOT", "B02", "B03", "B04", "B08", "TCI", "WVP"),
    20: ("AOT", "B01", "B02", "B03", "B04", "B05", "B06", "B07", "B11", "B12", "B8A", "SCL", "TCI", "WVP"),
    60: ("AOT", "B01", "B02", "B03", "B04", "B05", "B06", "B07", "B09", "B11", "B12", "B8A", "SCL", "TCI", "WVP"),
}
_L2A_LEAN = {
    10: ("B02", "B03", "B04", "B08", "TCI"),
    20: ("AOT", "B05", "B06", "B07", "B11", "B12", "B8A", "SCL", "WVP"),
    60: ("B01", "B09"),
}
_LEAN_MASK_BANDS = ("B01", "B05")
_REPORTS = ("FORMAT_CORRECTNESS", "GENERAL_QUALITY", "GEOMETRIC_QUALITY", "SENSOR_QUALITY")
_GML_TYPES = ("DEFECT", "DETFOO", "NODATA", "SATURA", "TECQUA")


@dataclass(frozen=True)
class ImageFile:
    """An image of the product: its layer, its nominal resolution in metres, its path within the product."""

    layer: str
    gsd: int
    path: str


@dataclass(frozen=True)
class MaskFile:
    """A quality mask: its type such as `MSK_DETFOO`, its band or None, its path within the product."""

    kind: str
    band: str | None
    gsd: int
    path: str


def raster_masks(spec: ProductSpec) -> bool:
    """Whether the quality masks are JP2 rasters; they were GML before baseline 04.00."""
    return Baseline.parse(spec.baseline) >= OFFSET_SINCE


def images(spec: ProductSpec) -> list[ImageFile]:
    """The files of IMG_DATA."""
    folder = f"GRANULE/{spec.granule}/IMG_DATA"
    if spec.level == "L1C":
        return [
            ImageFile(name, BANDS[name].gsd if name in BANDS else 10, f"{folder}/{spec.prefix}_{name}.jp2")
            for name in (*BAND_IDS, "TCI")
        ]
    return [
        ImageFile(name, gsd, f"{folder}/R{gsd}m/{spec.prefix}_{name}_{gsd}m.jp2")
        for gsd, names in (_L2A_LEAN if spec.lean else _L2A_FULL).items()
        for name in names
        # B01 at 20 m came with baseline 04.00.
        if (name, gsd) != ("B01", 20) or raster_masks(spec)
    ]


def probabilities(spec: ProductSpec) -> list[MaskFile]:
    """Cloud and snow probability of an L2A product."""
    if spec.level == "L1C":
        return []
    return [
        MaskFile(f"MSK_{kind}", None, gsd, f"{_qi(spec)}/MSK_{kind}_{gsd}m.jp2")
        for gsd in ((20,) if spec.lean else (20, 60))
        for kind in ("CLDPRB", "SNWPRB")
    ]


def band_masks(spec: ProductSpec) -> list[MaskFile]:
    """Masks per band, and the classification or cloud mask of the whole granule."""
    whole = ("CLASSI", "jp2") if raster_masks(spec) else ("CLOUDS", "gml")
    kinds = ("DETFOO", "QUALIT") if raster_masks(spec) else _GML_TYPES
    return [
        *(
            MaskFile(f"MSK_{kind}", band, BANDS[band].gsd, f"{_qi(spec)}/MSK_{kind}_{band}.{whole[1]}")
            for band in (_LEAN_MASK_BANDS if spec.lean else BAND_IDS)
            for kind in kinds
        ),
        MaskFile(f"MSK_{whole[0]}", None, 60, f"{_qi(spec)}/MSK_{whole[0]}_B00.{whole[1]}"),
    ]


def preview_path(spec: ProductSpec) -> str:
    """The quick-look."""
    return f"{_qi(spec)}/{spec.prefix}_PVI.jp2"


def product_metadata_path(spec: ProductSpec) -> str:
    """`MTD_MSIL2A.xml` or `MTD_MSIL1C.xml`."""
    return f"MTD_MSI{spec.level}.xml"


def tile_metadata_path(spec: ProductSpec) -> str:
    """`MTD_TL.xml`."""
    return f"GRANULE/{spec.granule}/MTD_TL.xml"


def datastrip_metadata_path(spec: ProductSpec) -> str:
    """`MTD_DS.xml`."""
    return f"DATASTRIP/{spec.datastrip}/MTD_DS.xml"


def report_paths(spec: ProductSpec) -> list[str]:
    """The quality reports of datastrip and granule."""
    own = (*_REPORTS, "L2A_QUALITY") if spec.level == "L2A" else _REPORTS
    strip = [f"DATASTRIP/{spec.datastrip}/QI_DATA/{name}.xml" for name in (*_REPORTS, "RADIOMETRIC_QUALITY")]
    return strip + [f"{_qi(spec)}/{name}.xml" for name in own]


def _qi(spec: ProductSpec) -> str:
    return f"GRANULE/{spec.granule}/QI_DATA"
