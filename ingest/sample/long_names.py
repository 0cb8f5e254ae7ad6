"""Products in the form of 2015-16 (product specification 13): long names, and many granules in one product.

Written by rearranging compact products of the same content, so that a granule's pixels are those of its `ProductSpec`,
and the name that it is ingested under is the spec's.
"""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree as ET

from ingest.sample import layout
from ingest.sample.datastrip_xml import datastrip_metadata
from ingest.sample.manifest import data_objects, digest_of, manifest
from ingest.sample.product import write_product, zip_tree
from ingest.sample.spec import ProductSpec
from ingest.sample.xml import document, el

_LAYERS = ("SCL", "AOT", "WVP")
_RENAMED_BY_SEN2COR = ("TILE_ID", "DATASTRIP_ID")
_PREFIXED_BY_SEN2COR = (
    "Product_Info", "Product_Organisation", "BOA_QUANTIFICATION_VALUE", "AOT_QUANTIFICATION_VALUE",
    "WVP_QUANTIFICATION_VALUE",
)  # fmt: skip
_CALLED_BY_SEN2COR = {
    "NOT_VEGETATED_PERCENTAGE": "BARE_SOILS_PERCENTAGE",
    "UNCLASSIFIED_PERCENTAGE": "LOW_PROBA_CLOUDS_PERCENTAGE",
}


def long_name(specs: Sequence[ProductSpec]) -> str:
    """Name of a product without suffix, such as `S2A_OPER_PRD_MSIL1C_PDMC_20151230T…_R051_V20151230T…_20151230T…`."""
    first = specs[0]
    start, end = (f"{time:%Y%m%dT%H%M%S}" for time in (first.sensing, first.datastrip_start))
    stamp = f"PDMC_{first.generated:%Y%m%dT%H%M%S}_R{first.relative_orbit:03d}_V{start}_{end}"
    return f"{first.platform}_{_file_class(first)}_PRD_MSI{first.level}_{stamp}"


def granule_folder(spec: ProductSpec) -> str:
    """Name of a granule's folder: its `TILE_ID`."""
    return _own(spec.tile_id, spec)


def write_long_product(specs: Sequence[ProductSpec], folder: Path, *, zipped: bool = False) -> Path:
    """Write one product whose granules are `specs`, of one datatake, into `folder`; return its path.

    It is written under a hidden name and renamed when complete; one that is there already is left alone.
    """
    name = long_name(specs)
    final = folder / f"{name}{'.zip' if zipped else '.SAFE'}"
    if final.exists():
        return final
    draft = folder / f".{final.name}.part"
    shutil.rmtree(draft, ignore_errors=True)
    tree = draft / f"{name}.SAFE"
    tree.mkdir(parents=True)
    roots = [_move_granule(spec, write_product(spec, draft), tree) for spec in specs]
    _write_product_metadata(specs, roots, tree)
    _write_datastrip(specs[0], tree)
    (tree / "manifest.safe").write_bytes(manifest(specs[0], data_objects(tree, digest_of(specs[0]))))
    (zip_tree(tree, draft / final.name) if zipped else tree).rename(final)
    shutil.rmtree(draft)
    return final


def _move_granule(spec: ProductSpec, safe: Path, tree: Path) -> ET.Element:
    """Move what belongs to one tile into the new product; return the root of the compact product's own metadata."""
    renamed = {old: f"GRANULE/{granule_folder(spec)}/{new}" for old, new in _granule_files(spec)}
    for old, new in renamed.items():
        (tree / new).parent.mkdir(parents=True, exist_ok=True)
        (safe / old).rename(tree / new)
    root = ET.parse(safe / layout.tile_metadata_path(spec)).getroot()  # noqa: S314 - our own
    for element in (*root.iter("MASK_FILENAME"), *root.iter("PVI_FILENAME")):
        path = PurePosixPath(renamed[element.text or ""])
        element.text = path.name if path.suffix == ".gml" else path.stem
    _name_as_sen2cor_did(root, spec)
    (tree / f"GRANULE/{granule_folder(spec)}/{_stem(spec, 'MTD')}.xml").write_bytes(_text(root))
    return ET.parse(safe / layout.product_metadata_path(spec)).getroot()  # noqa: S314


def _granule_files(spec: ProductSpec) -> Iterator[tuple[str, str]]:
    """Path of each image and mask in the compact product, and in the granule's folder of the new one."""
    for image in layout.images(spec):
        if image.layer != "TCI":  # came with the compact form
            yield image.path, _image_path(spec, image)
    for mask in layout.probabilities(spec):
        yield mask.path, f"QI_DATA/{_stem(spec, mask.kind[4:7])}_{mask.gsd}m.jp2"
    for mask in layout.band_masks(spec):
        stem = _stem(spec, mask.kind).replace(f"_{spec.level}_TL", "")
        yield mask.path, f"QI_DATA/{stem}_{mask.band or 'B00'}_MSI{spec.level}{PurePosixPath(mask.path).suffix}"
    yield layout.preview_path(spec), f"QI_DATA/{_stem(spec, 'PVI')}.jp2"


def _image_path(spec: ProductSpec, image: layout.ImageFile) -> str:
    if spec.level == "L1C":
        return f"IMG_DATA/{_stem(spec, 'MSI')}_{image.layer}.jp2"
    if image.layer not in _LAYERS:
        return f"IMG_DATA/R{image.gsd}m/{_stem(spec, 'MSI')}_{image.layer}_{image.gsd}m.jp2"
    folder = "IMG_DATA" if image.layer == "SCL" else f"IMG_DATA/R{image.gsd}m"
    return f"{folder}/{_stem(spec, image.layer)}_{image.gsd}m.jp2"


def _write_product_metadata(specs: Sequence[ProductSpec], roots: Sequence[ET.Element], tree: Path) -> None:
    """The first granule's, but for what lists the granules."""
    root = roots[0]
    listed = _found(root, "Granule_List")
    listed[:] = [_granules(spec) for spec in specs]
    _found(root, "PRODUCT_URI").text = f"{long_name(specs)}.SAFE"
    _found(root, "PRODUCT_FORMAT").text = "SAFE"
    numbers = [float(n) for one in roots for n in (_found(one, "EXT_POS_LIST").text or "").split()]
    north, south = max(numbers[::2]), min(numbers[::2])
    west, east = min(numbers[1::2]), max(numbers[1::2])
    corners = ((north, west), (north, east), (south, east), (south, west), (north, west))
    _found(root, "EXT_POS_LIST").text = " ".join(f"{lat:.12f} {lon:.12f}" for lat, lon in corners)
    _name_as_sen2cor_did(root, specs[0])
    name = long_name(specs).replace("_PRD_MSI", "_MTD_SAF")
    (tree / f"{name}.xml").write_bytes(_text(root))


def _write_datastrip(spec: ProductSpec, tree: Path) -> None:
    name = _own(spec.datastrip_id, spec)
    file = name.rpartition("_N")[0].replace("_MSI_", "_MTD_")
    (tree / "DATASTRIP" / name).mkdir(parents=True)
    (tree / "DATASTRIP" / name / f"{file}.xml").write_bytes(datastrip_metadata(spec))


def _granules(spec: ProductSpec) -> ET.Element:
    images = [PurePosixPath(_image_path(spec, image)).stem for image in layout.images(spec) if image.layer != "TCI"]
    tag = "IMAGE_ID" if spec.level == "L1C" else "IMAGE_ID_2A"
    return el(
        "Granules",
        *(el(tag, image) for image in images),
        datastripIdentifier=_own(spec.datastrip_id, spec),
        granuleIdentifier=granule_folder(spec),
        imageFormat="JPEG2000",
    )


def _name_as_sen2cor_did(root: ET.Element, spec: ProductSpec) -> None:
    """Sen2Cor 2.0-2.3 named its own elements apart from those of level 1C."""
    if spec.level == "L1C":
        return
    for element in root.iter():
        if element.tag in _RENAMED_BY_SEN2COR:
            element.tag, element.text = f"{element.tag}_2A", _own(element.text or "", spec)
        elif element.tag in _PREFIXED_BY_SEN2COR:
            element.tag = f"L2A_{element.tag}"
        else:
            element.tag = _CALLED_BY_SEN2COR.get(element.tag, element.tag)


def _text(root: ET.Element) -> bytes:
    """The document, of specification 13, its namespace under the prefix `n1` as ever."""
    ET.register_namespace("n1", root.tag[1:].partition("}")[0])
    return document(root).replace(b"psd-14", b"psd-13")


def _found(root: ET.Element, tag: str) -> ET.Element:
    element = root.find(f".//{tag}")
    if element is None:
        raise ValueError(f"no {tag} in the metadata of a compact product")
    return element


def _stem(spec: ProductSpec, kind: str) -> str:
    """Start of a file's name: the granule's, with `kind` in the place of `MSI` and without the baseline."""
    return granule_folder(spec).rpartition("_N")[0].replace("_MSI_", f"_{kind}_", 1)


def _own(identifier: str, spec: ProductSpec) -> str:
    return identifier.replace("_OPER_", f"_{_file_class(spec)}_", 1)


def _file_class(spec: ProductSpec) -> str:
    return "OPER" if spec.level == "L1C" else "USER"
