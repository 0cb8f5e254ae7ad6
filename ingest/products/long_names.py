"""SAFE products under the long names of 2015-16: each of their granules is a product of its own.

    S2A_OPER_PRD_MSIL1C_PDMC_<creation>_R<orbit>_V<start>_<end>.SAFE/
      S2A_OPER_MTD_SAFL1C_PDMC_….xml
      GRANULE/S2A_OPER_MSI_L1C_TL_<centre>_<creation>_A<absolute orbit>_T<tile>_N<baseline>/
        S2A_OPER_MTD_L1C_TL_….xml   IMG_DATA/S2A_OPER_MSI_L1C_TL_…_T<tile>_B01.jp2

Source: Products Specification Document, issues 12 and 13, and GDAL's driver SENTINEL2. There are many granules in a
product, from September 2016 on one. Sen2Cor 2.0-2.3 made its level 2A of them (`S2A_USER_PRD_MSIL2A_…`), of the same
form. A granule's address is its folder's path, in a zip too: `….zip/GRANULE/S2A_OPER_MSI_L1C_TL_…`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path

from ingest.errors import InvalidProductError
from ingest.products.archive import Archive, FolderArchive, ZipArchive, is_long_named_metadata, open_archive
from ingest.products.manifest import Listed
from ingest.products.metadata import Metadata
from ingest.products.safe import (
    MANIFEST,
    Granule,
    SafeProduct,
    expected_file,
    image_key,
    inventory_fingerprint,
    read_document,
    read_granule,
)
from stac.bands import Level
from stac.errors import NameFormatError
from stac.naming import ProductName
from stac.scene import Scene

_TREE = "/GRANULE/"
_PRODUCT = re.compile(r"S2[A-D]_(OPER|USER)_PRD_MSI(L1C|L2A)_\w+")
_IN_TREE = re.compile(r"GRANULE/([^/]+)/.+")
_GRANULE_METADATA = re.compile(r"GRANULE/([^/]+)/S2[A-D]_(?:OPER|USER)_MTD_L(?:1C|2A)_TL_(?P<identity>\w+_T\w{5})\.xml")
_LAYER = re.compile(r"S2[A-D]_USER_(SCL|AOT|WVP|CLD|SNW)_L2A_\w+_(10|20|60)m\.jp2")
_TILE_ID = re.compile(
    r"(?P<unit>S2[A-D])_(?:OPER|USER)_MSI_(?P<level>L1C|L2A)_TL_(?P<identity>\w{4}_(?P<created>\d{8}T\d{6})_A\d{6}"
    r"_T(?P<tile>\w{5}))_N(?P<major>\d{2})\.(?P<minor>\d{2})"
)
_MADE_LOCALLY = "Surface reflectance by a local Sen2Cor, from a product under the long names of 2015-16"


def split_address(source: str) -> tuple[Path, str] | None:
    """The product's path and the granule's folder in it, where `source` is a granule's address; else None."""
    place, found, folder = source.rstrip("/").rpartition(_TREE)
    if not found or not folder or "/" in folder:
        return None
    path = Path(place)
    return (path, folder) if path.is_file() or is_long_named_folder(path) else None


def is_long_named_folder(path: Path) -> bool:
    """Whether a folder is a product under long names."""
    try:
        return path.is_dir() and any(is_long_named_metadata(child.name) for child in path.iterdir())
    except PermissionError:
        return False


def is_long_name(name: str) -> bool:
    """Whether a product's name is one of the long ones."""
    return _PRODUCT.fullmatch(name) is not None


def is_long_named(archive: Archive) -> bool:
    """Whether the files are those of a product under long names."""
    return any(map(is_long_named_metadata, archive.members))


def granule_addresses(path: Path) -> list[str]:
    """Addresses of all granules that the product at `path` holds or should hold; none where it has no long names.

    The path itself where it cannot be told, so that opening it says why.
    """
    try:
        archive = open_archive(path)
        if not is_long_named(archive):
            return []
        folders = _folders(archive)
        listed = {one.get("granuleIdentifier", "") for one in _product_metadata(archive)[1].all("Granules")}
    except InvalidProductError:
        return [str(path)]
    held = _identities((*folders, *chain(*folders.values())))
    # What is listed under no granule's name is passed over: it would become part of a path.
    missing = [name for name in listed if (identity := _identities([name])) and not identity & held]
    return sorted(f"{path}{_TREE}{folder}" for folder in (*folders, *missing)) or [str(path)]


def open_granule(path: Path, folder: str, assets: frozenset[str] | None = None) -> SafeProduct:
    """Open the granule of the product at `path` that lies in `folder`, and check its inventory.

    `assets` restricts the images that must be there and are offered. Raises `InvalidProductError`, or
    `MissingImageError` naming every missing image.
    """
    return _read(open_archive(path), folder, assets)


def read_only_granule(archive: FolderArchive | ZipArchive, assets: frozenset[str] | None = None) -> SafeProduct:
    """Read the granule of a product that has just one; raises as `open_granule` does."""
    folders = list(_folders(archive))
    if not folders:
        raise InvalidProductError(f"{archive.source}: no folder in GRANULE: the product holds no granule")
    if len(folders) > 1:
        raise InvalidProductError(
            f"{archive.source}: {len(folders)} granules, each a product of its own: give one, such as "
            f"{_address(archive, folders[0])}"
        )
    return _read(archive, folders[0], assets)


def _read(archive: FolderArchive | ZipArchive, folder: str, assets: frozenset[str] | None) -> SafeProduct:
    product_file, product = _product_metadata(archive)
    granule = Granule(
        product_file=product_file,
        granule_file=_granule_file(archive, folder),
        image_key=_image_key,
        expected=_expected_file,
    )
    own = f"{granule.folder}/"
    kept = {name: file for name, file in archive.members.items() if name.startswith(own)}
    papers = {name: archive.members[name] for name in (product_file, MANIFEST) if name in archive.members}
    whole = read_granule(replace(archive, members=papers | kept), granule, assets, granule_name)
    _check_identity(whole.scene.granule_id, granule.granule_file, f"{archive.source}: {granule.granule_file}")
    # Other granules, and what the manifest tells of them, are no part of this one.
    fingerprint = inventory_fingerprint(
        replace(archive, members=kept), whole.documents[0].content, _digests(whole.listed, own)
    )
    return replace(whole, scene=replace(granule_scene(whole.scene, product), fingerprint=fingerprint))


def granule_scene(scene: Scene, product: Metadata) -> Scene:
    """The scene of a granule, whose product's metadata are about others too."""
    local = scene.name.level == "L2A"
    return replace(
        scene,
        acquired=product.time("DATATAKE_SENSING_START"),
        outline=scene.outline if len(product.all("Granules")) == 1 else None,
        remarks={"sen2extract:origin": "local"} if local else {},
        lineage=_MADE_LOCALLY if local else None,
    )


def granule_name(product: Metadata, granule: Metadata) -> ProductName:
    """The compact name that a granule would have: its discriminator is the time at which it was made.

    Raises `InvalidProductError` naming the element that does not tell what it should.
    """
    identifier = granule.need("TILE_ID_2A", "TILE_ID")
    if not (match := _TILE_ID.fullmatch(identifier)):
        raise InvalidProductError(
            f"{granule.label}: TILE_ID is {identifier!r}, which must tell level, time, tile and baseline: "
            "S2A_OPER_MSI_L1C_TL_SGS__20151230T163019_A002728_T31TDH_N02.01"
        )
    if len(takes := product.all("Datatake")) != 1:
        raise InvalidProductError(f"{product.label}: {len(takes)} Datatake, one expected: whose granule is it?")
    start, orbit = product.time("DATATAKE_SENSING_START"), product.need_number("SENSING_ORBIT_NUMBER")
    text = (
        f"{match['unit']}_MSI{match['level']}_{start:%Y%m%dT%H%M%S}_N{match['major']}{match['minor']}_R{orbit:03.0f}"
        f"_T{match['tile']}_{match['created']}"
    )
    try:
        return ProductName.parse(text)
    except NameFormatError as error:
        raise InvalidProductError(
            f"{granule.label}: TILE_ID {identifier} and SENSING_ORBIT_NUMBER {orbit:g} make no product name: {error}"
        ) from error


def _product_metadata(archive: Archive) -> tuple[str, Metadata]:
    """Name and content of the product-level metadata file."""
    found = [name for name in archive.members if is_long_named_metadata(name)]
    if len(found) != 1:
        raise InvalidProductError(f"{archive.source}: {len(found)} product metadata files, one expected: {found}")
    return found[0], Metadata(read_document(archive, found[0]), f"{archive.source}: {found[0]}")


def _folders(archive: Archive) -> dict[str, list[str]]:
    """The granules' folders, and the metadata files in each."""
    folders: dict[str, list[str]] = {match[1]: [] for name in archive.members if (match := _IN_TREE.fullmatch(name))}
    for name in archive.members:
        if match := _GRANULE_METADATA.fullmatch(name):
            folders[match[1]].append(name)
    return folders


def _granule_file(archive: Archive, folder: str) -> str:
    """The metadata file of a granule; no other folder may hold the same granule."""
    where, folders = _address(archive, folder), _folders(archive)
    if folder not in folders:
        raise InvalidProductError(f"{where}: the product lacks this granule: fetch it again")
    if len(files := folders[folder]) != 1:
        raise InvalidProductError(
            f"{where}: {len(files)} files S2?_*_MTD_L*_TL_*_T*.xml, the tile's metadata, one expected: fetch it again"
        )
    same = _identities(files)
    if twins := [name for name, held in folders.items() if name != folder and same & _identities(held)]:
        raise InvalidProductError(f"{where}: the granule comes twice, also as {', '.join(twins)}: remove the duplicate")
    return files[0]


def _check_identity(granule_id: str | None, file: str, where: str) -> None:
    """The metadata must be about the granule that its file is named for."""
    if not _identities([file]) & _identities([granule_id or ""]):
        raise InvalidProductError(f"{where}: TILE_ID is {granule_id}, which is another granule's than the file's name")


def _identities(names: Iterable[str]) -> set[str]:
    """What names of granules and of their metadata files tell of centre, time of processing, orbit and tile."""
    matches = (_TILE_ID.fullmatch(name) or _GRANULE_METADATA.fullmatch(name) for name in names)
    return {match["identity"] for match in matches if match}


def _image_key(member: str, folder: str) -> tuple[str, int | None] | None:
    """As in compact products; Sen2Cor's layers have their name where bands have `MSI`."""
    if match := _LAYER.fullmatch(member.rpartition("/")[2]):
        return f"{match[1]}PRB" if match[1] in ("CLD", "SNW") else match[1], int(match[2])
    return image_key(member, folder)


def _expected_file(name: str, level: Level) -> str:
    kind = name.removesuffix("PRB")
    return f"*_{kind}_L2A_*_20m.jp2" if kind in ("SCL", "AOT", "WVP", "CLD", "SNW") else expected_file(name, level)


def _digests(listed: Mapping[str, Listed], own: str) -> bytes:
    """What the manifest tells of a granule's files."""
    return "\n".join(f"{name} {file.digest}" for name, file in sorted(listed.items()) if name.startswith(own)).encode()


def _address(archive: Archive, folder: str) -> str:
    return f"{archive.source}{_TREE}{folder}"
