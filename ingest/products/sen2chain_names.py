"""The file names of a Sen2Chain archive: what a name says a file is, or why it is none that we take. No I/O.

Layout and names of release 1.4.1 and of older ones, as found in archives. A file's name counts, not its `.xml`
provenance: Sen2Chain writes that when it first reads a file, with the version of that day.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from stac.errors import NameFormatError
from stac.indices import INDICES
from stac.masks import PROFILES
from stac.naming import Baseline, ProductName

Role = Literal["index", "masked index", "cloud mask", "side product"]

_ID = r"(?P<id>S2[A-Z]_MSIL2A_\d{8}T\d{6}_N\d{4}_R\d{3}_T\d{2}[A-Z]{3}_\d{8}T\d{6})"
_MASK = (
    r"(?P<mask>CM001|CM002-B11|CM003-PRB\d+-ITER\d+|CM004-CSH[01]-CMP[01]-CHP[01]-TCI[01]-ITER\d+|OCM_v\d+(?:_\d+)+)"
)
_CLOUD_MASK = re.compile(rf"{_ID}_{_MASK}\.(?P<suffix>jp2|tif)")
_LEGACY_CLOUD_MASK = re.compile(rf"{_ID}_CLOUD_MASK(?P<b11>_B11)?\.(?P<suffix>jp2|tif)")
_INDEX = re.compile(rf"{_ID}_(?P<index>[A-Z0-9]+?)(?:_{_MASK}|_(?P<legacy>MASKED))?\.(?P<suffix>jp2|tif)")
_QUICKLOOK = re.compile(r".*_(?:QL|QUICKLOOK)(?:-\d+m|_latest)?\.(?:tif|jpe?g|jp2)", re.IGNORECASE)
_SIDE = re.compile(r"(?:T\d{2}[A-Z]{3}_\d{8}T\d{6}_(?P<scl>SCL)_20m|MSK_(?P<cldprb>CLDPRB)_20m)\.jp2")
_OLD_PRODUCT = re.compile(r"S2[A-D]_OPER_PRD_MSI(?:L1C|L2A)_.*")
_OFFSET_SINCE = Baseline((4, 0))


@dataclass(frozen=True, kw_only=True)
class Part:
    """A file that belongs to the index product of `product`.

    `name` is the index, the field of our `MASK`, or `SCL`/`CLDPRB`; `mask` is the mask burnt into a masked index.
    """

    product: str
    role: Role
    name: str
    mask: str | None = None


def classify(path: Path) -> Part | str:
    """What the file is, or why it is not taken. Of the folders only that of a side product counts: it names it."""
    for reader in (_other, _cloud_mask, _index, _side_product):
        found = reader(path)
        if found is not None:
            return found
    if _OLD_PRODUCT.match(path.name):
        return "a product of 2015-16 under its long name: such products are not supported"
    return "no name that Sen2Chain gives"


def _other(path: Path) -> str | None:
    if path.name.endswith(".aux.xml"):
        return "side-car of an image; the nodata it tells is known"
    if path.suffix == ".xml":
        return "provenance, written when a file was first read: not trusted"
    if _QUICKLOOK.fullmatch(path.name):
        return "quicklook: made anew from the images"
    return None


def _cloud_mask(path: Path) -> Part | str | None:
    if match := _CLOUD_MASK.fullmatch(path.name):
        mask = match["mask"]
    elif match := _LEGACY_CLOUD_MASK.fullmatch(path.name):
        mask = "CM002-B11" if match["b11"] else "CM001"
    else:
        return None
    if match["suffix"] == "tif":
        return "obsolete copy of a cloud mask in GeoTIFF"
    product = _product(match["id"])
    if isinstance(product, str):
        return product
    if mask == "CM002-B11" and product.baseline >= _OFFSET_SINCE:
        return f"{mask} with a threshold that ignores the offset of baseline {product.baseline}: other clouds than ours"
    field = next((profile.field for profile in PROFILES.values() if profile.title == mask), None)
    if field is None:
        return f"{mask} is no mask that the catalogue has: made with other parameters, or by another method"
    return Part(product=str(product), role="cloud mask", name=field)


def _index(path: Path) -> Part | str | None:
    match = _INDEX.fullmatch(path.name)
    if match is None:
        return None
    product = _product(match["id"])
    if isinstance(product, str):
        return product
    if match["index"] not in INDICES:
        return f"{match['index']} is no index that the catalogue knows"
    if match["suffix"] == "tif":
        return "temporary GeoTIFF of an interrupted run"
    mask = "CM001" if match["legacy"] else match["mask"]
    role: Role = "masked index" if mask else "index"
    return Part(product=str(product), role=role, name=match["index"], mask=mask)


def _side_product(path: Path) -> Part | str | None:
    match = _SIDE.fullmatch(path.name)
    if match is None:
        return None
    product = _product(path.parent.name)
    if isinstance(product, str) or product.level != "L2A":
        return f"side product in a folder that names no L2A product: {path.parent.name}"
    return Part(product=str(product), role="side product", name=match["scl"] or match["cldprb"])


def _product(text: str) -> ProductName | str:
    try:
        return ProductName.parse(text)
    except NameFormatError as error:
        return str(error)
