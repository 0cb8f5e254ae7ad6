"""SAFE products of level 1C and 2A, in a folder or a zip: which images there are, and reading them."""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import cast

from ingest.errors import InvalidProductError, MissingImageError
from ingest.products.archive import Archive, open_archive, product_metadata
from ingest.products.base import Document, Raster
from ingest.products.images import Extent, check_extent, decode, required_images
from ingest.products.manifest import Listed, check_digest, read_manifest, rewritten
from ingest.products.metadata import SIZE_LIMIT, Metadata
from ingest.products.safe_metadata import product_name, read_metadata
from stac.bands import BANDS, LAYERS, Level, bands_of, layers_of
from stac.naming import ProductName
from stac.scene import Radiometry, Scene

_GRANULE = re.compile(r"GRANULE/([^/]+)/MTD_TL\.xml", re.IGNORECASE)
_IMAGE = re.compile(r"(?:^|_)(B\d\d|B8A|SCL|AOT|WVP|TCI)(?:_(10|20|60)m)?\.(?:jp2|tiff?)", re.IGNORECASE)
_PROBABILITY = re.compile(r"(?:MSK_(CLD|SNW)PRB|\w+_(CLD|SNW))_20m\.(?:jp2|tiff?)", re.IGNORECASE)
MANIFEST = "manifest.safe"
_LAZY_PROVENANCE = "sen2chain_info.xml"
"""Sen2Chain adds this file when it first reads a product, which does not change the product."""

_RESOLUTIONS: Mapping[str, tuple[int, ...]] = {"AOT": (20, 10, 60), "WVP": (20, 10, 60)}
"""Where an image may be taken from, best first; the others come in their native resolution only."""


@dataclass(frozen=True, kw_only=True)
class SafeProduct:
    """A SAFE product that holds everything it should; `files` are the images' names in the archive.

    `listed` is what its manifest, if it has one, tells of its files.
    """

    scene: Scene
    images: Mapping[str, Radiometry]
    documents: Sequence[Document]
    archive: Archive
    files: Mapping[str, str]
    extent: Extent
    listed: Mapping[str, Listed] = field(default_factory=dict)

    @property
    def warnings(self) -> tuple[str, ...]:
        """That images are others than the manifest's."""
        return rewritten(self.archive, self.files, self.listed)

    def read(self, image: str) -> Raster:
        """Decode an image whole and check its bytes and place; raises `InvalidProductError` naming the file."""
        member = self.files[image]
        label = f"{self.archive.source}: {member}"
        payload = self.archive.payload(member)
        raster = decode(payload, image, label)
        check_digest(payload, self.listed.get(member), label)
        check_extent(raster.grid, self.extent, label)
        return raster


@dataclass(frozen=True, kw_only=True)
class Granule:
    """What of a product makes one tile: its metadata files' names in the archive, and how its images are told apart.

    `image_key` tells of a file in the granule's folder which image at which resolution it is (None: not in the name);
    `expected` under which name an image is looked for.
    """

    product_file: str
    granule_file: str
    image_key: Callable[[str, str], tuple[str, int | None] | None]
    expected: Callable[[str, Level], str]

    @property
    def folder(self) -> str:
        """The granule's folder in the archive."""
        return PurePosixPath(self.granule_file).parent.as_posix()


def open_safe(path: Path, assets: frozenset[str] | None = None, *, renamed: bool = False) -> SafeProduct:
    """Open a SAFE folder or zip and check its inventory: see `read_safe`.

    `renamed`: the folder's name counts where it differs from the metadata's in its discriminator.
    """
    return read_safe(open_archive(path), assets, renamed=renamed)


def read_safe(archive: Archive, assets: frozenset[str] | None = None, *, renamed: bool = False) -> SafeProduct:
    """Check a product's inventory and read its metadata.

    `assets` restricts the images that must be there and are offered. Raises `InvalidProductError`, or
    `MissingImageError` naming every missing image.
    """

    def name(product: Metadata, _: Metadata) -> ProductName:
        return product_name(product, archive.name, renamed=renamed)

    granule = Granule(
        product_file=product_metadata(archive),
        granule_file=_granule_metadata(archive),
        image_key=image_key,
        expected=expected_file,
    )
    return read_granule(archive, granule, assets, name)


def read_granule(
    archive: Archive,
    granule: Granule,
    assets: frozenset[str] | None,
    name: Callable[[Metadata, Metadata], ProductName],
) -> SafeProduct:
    """Read one granule, whose `name` follows from the product's and its own metadata; raises as `read_safe` does."""
    names = granule.product_file, granule.granule_file
    product, tile = (read_document(archive, file) for file in names)
    manifest = read_document(archive, MANIFEST) if MANIFEST in archive.members else None
    of_product, of_tile = (
        Metadata(content, f"{archive.source}: {file}") for file, content in zip(names, (product, tile), strict=True)
    )
    metadata = read_metadata(
        of_product,
        of_tile,
        name=name(of_product, of_tile),
        fingerprint=inventory_fingerprint(archive, product, manifest or b""),
    )
    level = cast("Level", metadata.scene.name.level)
    found = find_images(archive.members, granule, level)
    files = choose_images(found, level, assets, f"{archive.source}: {granule.folder}/IMG_DATA", granule.expected)
    check_sizes(archive, files)
    documents = {"product_metadata": (names[0], product), "granule_metadata": (names[1], tile)}
    return SafeProduct(
        scene=metadata.scene,
        images={image: metadata.radiometry[image] for image in files},
        documents=_documents(documents) + (_documents({"safe_manifest": (MANIFEST, manifest)}) if manifest else ()),
        archive=archive,
        files=files,
        extent=metadata.extent,
        listed=read_manifest(manifest, f"{archive.source}: {MANIFEST}") if manifest else {},
    )


def find_images(members: Iterable[str], granule: Granule, level: Level) -> dict[str, str]:
    """The file of each image in a granule's folder, at its native resolution."""
    found: dict[tuple[str, int | None], str] = {}
    for member in members:
        key = granule.image_key(member, granule.folder)
        if key is None:
            continue
        if key in found:
            raise InvalidProductError(f"{key[0]} comes twice: {found[key]} and {member}; remove one")
        found[key] = member
    return native_images(found, level)


def native_images(found: Mapping[tuple[str, int | None], str], level: Level) -> dict[str, str]:
    """Of files by image and resolution (None: not in the name), the one of each image at its native resolution."""
    names = [band.name for band in bands_of(level)] + [layer.name for layer in layers_of(level)]
    files: dict[str, str] = {}
    for name in names:
        gsd = BANDS[name].gsd if name in BANDS else LAYERS[name].gsd
        for resolution in (*_RESOLUTIONS.get(name, (gsd,)), *((None,) if level == "L1C" else ())):
            if (name, resolution) in found:
                files[name] = found[name, resolution]
                break
    return files


def image_key(member: str, granule: str) -> tuple[str, int | None] | None:
    """Image and resolution (None where the name has none) of a granule's file; None for any other file."""
    folder, _, file = member.rpartition("/")
    if folder.startswith(f"{granule}/IMG_DATA") and (match := _IMAGE.search(file)) and match.end() == len(file):
        return match[1].upper(), int(match[2]) if match[2] else None
    if folder == f"{granule}/QI_DATA" and (match := _PROBABILITY.fullmatch(file)):
        return f"{(match[1] or match[2]).upper()}PRB", 20
    return None


def choose_images(
    files: Mapping[str, str],
    level: Level,
    assets: frozenset[str] | None,
    where: str,
    expected: Callable[[str, Level], str],
) -> dict[str, str]:
    """The images to offer: all found, or those asked for; what should be there and is not raises.

    `expected` gives the file name under which an image was looked for.
    """
    wanted = required_images(level) if assets is None else assets
    if missing := sorted(wanted - files.keys()):
        looked = ", ".join(f"{name} ({expected(name, level)})" for name in missing)
        raise MissingImageError(
            f"{where}: {len(missing)} images missing: {looked}; fetch the product again or restrict it with --assets"
        )
    return {name: file for name, file in files.items() if assets is None or name in assets}


def expected_file(name: str, level: Level) -> str:
    """Under which name an image is looked for."""
    if name in ("CLDPRB", "SNWPRB"):
        return f"QI_DATA/MSK_{name}_20m.jp2"
    gsd = BANDS[name].gsd if name in BANDS else LAYERS[name].gsd if name in LAYERS else None
    return f"*_{name}.jp2" if level == "L1C" or gsd is None else f"R{gsd}m/*_{name}_{gsd}m.jp2"


def _granule_metadata(archive: Archive) -> str:
    found = [name for name in archive.members if _GRANULE.fullmatch(name)]
    if not found:
        raise InvalidProductError(f"{archive.source}: no GRANULE/*/MTD_TL.xml: the product holds no granule")
    if len(found) > 1:
        raise InvalidProductError(f"{archive.source}: {len(found)} granules, one expected: {', '.join(found)}")
    images = PurePosixPath(found[0]).parent.as_posix() + "/IMG_DATA/"
    for name in archive.members:
        second_metadata = name.upper().endswith("MTD_TL.XML") and name != found[0]
        if second_metadata or ("/IMG_DATA/" in f"/{name.removeprefix(images)}"):
            raise InvalidProductError(f"{archive.source}: a second granule tree at {name}; remove the duplicate")
    return found[0]


def read_document(archive: Archive, name: str) -> bytes:
    """Content of a metadata file; raises `InvalidProductError` where its size is none for one."""
    size = archive.members[name].size
    if not 0 < size <= SIZE_LIMIT:
        raise InvalidProductError(f"{archive.source}: {name}: {size} bytes is no size for a metadata file")
    return archive.read(name)


def _documents(files: Mapping[str, tuple[str, bytes]]) -> tuple[Document, ...]:
    return tuple(
        Document(name=name, filename=PurePosixPath(path).name, media_type="application/xml", content=content)
        for name, (path, content) in files.items()
    )


def check_sizes(archive: Archive, files: Mapping[str, str]) -> None:
    """Raise `InvalidProductError` naming the images that are empty files."""
    if empty := [f"{name} ({file})" for name, file in files.items() if archive.members[file].size == 0]:
        raise InvalidProductError(f"{archive.source}: empty files: {', '.join(empty)}; fetch the product again")


def inventory_fingerprint(archive: Archive, *documents: bytes) -> str:
    """SHA-256 over the inventory (names and sizes) and the product-level documents.

    The manifest among them holds checksums of the images. A folder and the zip of it have the same fingerprint: a
    product that is held already is not converted again.
    """
    digest = hashlib.sha256()
    for name, member in sorted(archive.members.items()):
        if name != _LAZY_PROVENANCE and not any(part.startswith(".") for part in name.split("/")):
            digest.update(f"{name}\0{member.size}\n".encode())
    for document in documents:
        digest.update(document)
    return digest.hexdigest()
