"""Products of a Sen2Chain archive: index products of their own, and SAFE folders that may carry another's name.

The address of a product says where it comes from, so that it can be opened again later:
`sen2chain:<archive>#<L2A product name>` for indices, `sen2chain:<folder>.SAFE` for a scene.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ingest.errors import InvalidProductError
from ingest.products.base import Document, Product, Raster
from ingest.products.images import decode
from ingest.products.safe import SafeProduct, open_safe
from ingest.products.sen2chain_files import Selection, files_of, find_layout, select
from stac.errors import NameFormatError
from stac.indices import SCALE
from stac.naming import ProductName
from stac.scene import Radiometry, Scene

SCHEME = "sen2chain:"
NODATA = 16383
"""32767 clamped to the 15 bits of the JPEG 2000 files, whatever their side-cars say."""

QUALITY: Mapping[str, int] = {"NDRE": 30, "IRECI": 30}
"""QUALITY with which Sen2Chain writes an index; 20 for all others."""
_USUAL_QUALITY = 20
_RADIOMETRY = Radiometry(scale=SCALE, nodata=NODATA)
_SAMPLE = 4096


@dataclass(frozen=True, kw_only=True)
class IndexArchiveProduct:
    """The index images of one L2A product, which itself may be long gone; a `Product` whose images are indices."""

    scene: Scene
    selection: Selection

    @property
    def images(self) -> Mapping[str, Radiometry]:
        """The indices held, in the predecessor's numbers."""
        return dict.fromkeys(self.selection.indices, _RADIOMETRY)

    @property
    def documents(self) -> Sequence[Document]:
        """None: the provenance files of an archive are not evidence."""
        return ()

    @property
    def warnings(self) -> Sequence[str]:
        """None: what is lossy or left out stands in the item."""
        return ()

    def read(self, image: str) -> Raster:
        """Decode an index (int16), a stored cloud mask (`cm001`, 1 = masked), `SCL` or `CLDPRB`, whole.

        Raises `InvalidProductError` naming the file.
        """
        path = {**self.selection.indices, **self.selection.masks, **self.selection.sides}[image]
        raster = decode(path, image, str(path))
        if raster.grid.epsg != self.scene.name.tile.epsg:
            raise InvalidProductError(
                f"{path}: its projection is EPSG:{raster.grid.epsg}, "
                f"tile {self.scene.name.tile} lies in EPSG:{self.scene.name.tile.epsg}"
            )
        return raster


def is_address(source: str) -> bool:
    """Whether `source` is the address of a product in a Sen2Chain archive."""
    return source.startswith(SCHEME)


def index_address(root: Path, product: str) -> str:
    """Address of the index product of the L2A product called `product`."""
    return f"{SCHEME}{root}#{product}"


def scene_address(folder: Path) -> str:
    """Address of a SAFE folder (or zip) that lies in an archive."""
    return f"{SCHEME}{folder}"


def open_sen2chain(source: str, assets: frozenset[str] | None = None) -> Product:
    """Open a product by its address; raises `InvalidProductError`."""
    place, _, product = source.removeprefix(SCHEME).partition("#")
    if not Path(place).exists():
        raise InvalidProductError(f"{place}: there is no such file or folder")
    return _open_indices(Path(place), product) if product else _open_scene(Path(place), assets)


def _open_indices(root: Path, product: str) -> IndexArchiveProduct:
    try:
        name = ProductName.parse(product)
    except NameFormatError as error:
        raise InvalidProductError(str(error)) from error
    selection = select(files_of(find_layout(root), str(name)))
    if not selection.indices:
        faults = "; ".join(f"{path}: {reason}" for path, reason in selection.skipped.items())
        raise InvalidProductError(f"{root}: no index of {name} can be used{': ' if faults else ''}{faults}")
    scene = Scene(
        name=name,
        acquired=name.datatake_start,
        fingerprint=_fingerprint(selection),
        source="sen2chain",
        software={"Sen2Chain": "unknown"},
        lineage=_lineage(selection),
        remarks=_remarks(selection),
    )
    return IndexArchiveProduct(scene=scene, selection=selection)


def _open_scene(path: Path, assets: frozenset[str] | None) -> SafeProduct:
    """A SAFE of the archive. Sen2Chain's own L2A lack the folder `HTML`, and carry their L1C's discriminator."""
    local = path.is_dir() and "MSIL2A" in path.name and not (path / "HTML").is_dir()
    product = open_safe(path, assets, renamed=local)
    if product.scene.name.level != "L2A":
        return product
    remarks = {"sen2extract:origin": "local" if local else "esa"}
    lineage = (
        "Surface reflectance by a local Sen2Cor, run by Sen2Chain; the name carries the L1C product's discriminator"
        if local
        else None
    )
    return replace(product, scene=replace(product.scene, remarks=remarks, lineage=lineage))


def _lineage(selection: Selection) -> str:
    text = (
        "Spectral indices by Sen2Chain, imported from its archive: lossy JPEG 2000 (QUALITY 20; NDRE and IRECI 30), "
        "so that values differ from the original by 0.007 (root mean square, noisy surfaces) and 0.03 at most; "
        "nodata is exact. Values outside the index's range are nodata here"
    )
    if not selection.burnt_in:
        return text
    burnt = ", ".join(f"{name} ({mask})" for name, mask in sorted(selection.burnt_in.items()))
    return f"{text}. Only masked copies were left of {burnt}: clouds are nodata there"


def _remarks(selection: Selection) -> dict[str, object]:
    remarks: dict[str, object] = {
        "sen2extract:lossy": True,
        "sen2extract:jpeg2000_quality": {name: QUALITY.get(name, _USUAL_QUALITY) for name in sorted(selection.indices)},
    }
    if selection.burnt_in:
        remarks["sen2extract:burnt_in_mask"] = dict(sorted(selection.burnt_in.items()))
    return remarks


def _fingerprint(selection: Selection) -> str:
    """SHA-256 over names, sizes and samples of the files used: archives are too large to read for a comparison."""
    digest = hashlib.sha256()
    for path in selection.files:
        size = path.stat().st_size
        digest.update(f"{path.name}\0{size}\n".encode())
        with path.open("rb") as stream:
            for start in (0, size // 3, 2 * size // 3, max(0, size - _SAMPLE)):
                stream.seek(start)
                digest.update(stream.read(_SAMPLE))
    return digest.hexdigest()
