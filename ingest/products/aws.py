"""Products in the layout of AWS's open buckets (`sentinel-s2-l1c`, `-l2a`): one folder per tile, short file names.

    metadata.xml  tileInfo.json  R10m/B02.jp2 … (L1C: B02.jp2)  qi/CLD_20m.jp2

Scale and offset stand in the product's own metadata, which the buckets keep elsewhere: it is looked for beside the
tile's (`product_metadata.xml`) and where a copy of the bucket has it. Without it the numbers have no meaning.
"""

import json
import re
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, cast

from ingest.errors import InvalidProductError
from ingest.products.archive import FolderArchive, is_product_metadata, open_folder
from ingest.products.base import Document
from ingest.products.long_names import granule_name, granule_scene, is_long_name
from ingest.products.metadata import SIZE_LIMIT, Metadata
from ingest.products.safe import (
    SafeProduct,
    check_sizes,
    choose_images,
    inventory_fingerprint,
    native_images,
    read_document,
)
from ingest.products.safe_metadata import product_name, read_metadata
from stac.bands import BANDS, LAYERS, Level
from stac.errors import NameFormatError
from stac.naming import ProductName, Tile

_TILE_INFO = "tileInfo.json"
_GRANULE = "metadata.xml"
_BESIDE = ("product_metadata.xml", "productMetadata.xml", "product/metadata.xml")
_IMAGE = re.compile(r"(?:R(10|20|60)m/)?(B\d\d|B8A|SCL|AOT|WVP|TCI)\.(?:jp2|tiff?)")
_PROBABILITY = re.compile(r"qi/(?:MSK_)?(CLD|SNW)(?:PRB)?_20m\.(?:jp2|tiff?)")


def is_aws_folder(path: Path) -> bool:
    """Whether a folder is laid out so, or means to be."""
    try:
        names = {child.name for child in path.iterdir()} if path.is_dir() else set()
    except PermissionError:
        return False
    return not any(map(is_product_metadata, names)) and bool({_TILE_INFO, _GRANULE} & names)


def open_aws(path: Path, assets: frozenset[str] | None = None) -> SafeProduct:
    """Open a tile's folder and check its inventory.

    `assets` restricts the images that must be there and are offered. Raises `InvalidProductError`, or
    `MissingImageError` naming every missing image.
    """
    archive = open_folder(path)
    info, tile, named = _tile_info(archive)
    if _GRANULE not in archive.members:
        raise InvalidProductError(f"{archive.source}: no {_GRANULE}, the tile's metadata: fetch it again")
    granule = read_document(archive, _GRANULE)
    where, product = _product_metadata(archive, info)
    of_product, of_tile = Metadata(product, where), Metadata(granule, f"{archive.source}: {_GRANULE}")
    name = granule_name(of_product, of_tile) if named is None else product_name(of_product, str(named))
    if name.tile != tile:
        raise InvalidProductError(f"{archive.source}: {_TILE_INFO}: it is about tile {tile}, but the product is {name}")
    metadata = read_metadata(
        of_product,
        of_tile,
        name=name,
        fingerprint=inventory_fingerprint(archive, product),
    )
    level = cast("Level", name.level)
    files = choose_images(_images(archive, level), level, assets, archive.source, _expected_file)
    check_sizes(archive, files)
    return SafeProduct(
        scene=replace(granule_scene(metadata.scene, of_product) if named is None else metadata.scene, source="aws"),
        images={image: metadata.radiometry[image] for image in files},
        documents=(
            _document("product_metadata", "product_metadata.xml", product),
            _document("granule_metadata", "granule_metadata.xml", granule),
        ),
        archive=archive,
        files=files,
        extent=metadata.extent,
    )


def _tile_info(archive: FolderArchive) -> tuple[dict[str, Any], Tile, ProductName | None]:
    """`tileInfo.json`, the tile that it tells and the product; None of one of 2015-16, whose name tells no tile."""
    label = f"{archive.source}: {_TILE_INFO}"
    if _TILE_INFO not in archive.members:
        raise InvalidProductError(f"{archive.source}: no {_TILE_INFO}, which names the product: fetch it again")
    try:
        info = json.loads(read_document(archive, _TILE_INFO))
        text = str(info["productName"])
        name = None if is_long_name(text) else ProductName.parse(text)
        tile = Tile.parse(f"{int(info['utmZone']):02d}{info['latitudeBand']}{info['gridSquare']}")
    except (ValueError, RecursionError, KeyError, TypeError, NameFormatError) as error:
        raise InvalidProductError(f"{label}: not what AWS writes: {error!r}") from error
    return info, tile, name


def _product_metadata(archive: FolderArchive, info: dict[str, Any]) -> tuple[str, bytes]:
    """Where the product's metadata was found, and its content."""
    for name in _BESIDE:
        if name in archive.members:
            return f"{archive.source}: {name}", read_document(archive, name)
    place = _in_bucket(archive.root, info)
    if place is not None and place.is_file() and 0 < place.stat().st_size <= SIZE_LIMIT:
        return str(place), place.read_bytes()
    raise InvalidProductError(
        f"{archive.source}: no product metadata ({', '.join(_BESIDE)}), which alone tells scale and offset: fetch "
        f"{info.get('productPath')}/{_GRANULE} from the bucket, and put it here as {_BESIDE[0]}"
    )


def _in_bucket(folder: Path, info: dict[str, Any]) -> Path | None:
    """Where a copy of the bucket keeps the product's metadata; None where the tile does not lie in one."""
    tile, product = (PurePosixPath(str(info.get(key) or "..")) for key in ("path", "productPath"))
    if ".." in product.parts or product.is_absolute() or folder.parts[-len(tile.parts) :] != tile.parts:
        return None
    return folder.parents[len(tile.parts) - 1] / product / _GRANULE


def _images(archive: FolderArchive, level: Level) -> dict[str, str]:
    found: dict[tuple[str, int | None], str] = {}
    for member in archive.members:
        if match := _IMAGE.fullmatch(member):
            key = match[2], int(match[1]) if match[1] else None
        elif match := _PROBABILITY.fullmatch(member):
            key = f"{match[1]}PRB", 20
        else:
            continue
        if key in found:
            raise InvalidProductError(f"{archive.source}: {key[0]} comes twice: {found[key]} and {member}; remove one")
        found[key] = member
    return native_images(found, level)


def _expected_file(name: str, level: Level) -> str:
    if name in ("CLDPRB", "SNWPRB"):
        return f"qi/{name[:3]}_20m.jp2"
    gsd = BANDS[name].gsd if name in BANDS else LAYERS[name].gsd if name in LAYERS else None
    return f"{name}.jp2" if level == "L1C" or gsd is None else f"R{gsd}m/{name}.jp2"


def _document(name: str, filename: str, content: bytes) -> Document:
    return Document(name=name, filename=filename, media_type="application/xml", content=content)
