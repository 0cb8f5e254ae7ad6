"""Earth Search items (`sentinel-2-l2a`, `sentinel-2-c1-l2a`): an item's JSON, with its images beside it or remote.

An item is not trusted: a local image must lie in the item's own folder, a remote one is fetched by http(s) or s3 only,
without our credentials.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from ingest.errors import InvalidProductError, MissingImageError, StoreError
from ingest.products.base import Document, Raster
from ingest.products.earth_search_item import Image, read_item
from ingest.products.images import check_extent, decode, required_images
from ingest.products.manifest import check_digest
from ingest.products.remote import SCHEMES, is_final, read_remote, remote_faults
from stac.bands import Level
from stac.scene import Radiometry, Scene

_ITEM_LIMIT = 4 * 1024**2
_DOCUMENT_LIMIT = 16 * 1024**2


@dataclass(frozen=True, kw_only=True)
class EarthSearchProduct:
    """An Earth Search item whose images are all there; `places` are local files or remote addresses."""

    scene: Scene
    images: Mapping[str, Radiometry]
    documents: Sequence[Document]
    item_path: Path
    places: Mapping[str, Path | str]
    described: Mapping[str, Image]
    warnings: Sequence[str] = ()

    def read(self, image: str) -> Raster:
        """Decode an image whole and check its place against the item, and a local one's bytes if the item tells them.

        Raises `InvalidProductError` naming the file, or `StoreError` where a remote image cannot be read now.
        """
        place = self.places[image]
        label = f"{self.item_path}: {place}"
        raster = decode(place, image, label) if isinstance(place, Path) else read_remote(place, image, label)
        if isinstance(place, Path):
            check_digest(place, self.described[image].listed, label)
        if (extent := self.described[image].extent) is not None:
            check_extent(raster.grid, extent, label)
        return raster


def open_earth_search(path: Path, assets: frozenset[str] | None = None) -> EarthSearchProduct:
    """Open an Earth Search item and check that its images can be read.

    `assets` restricts the images that must be there and are offered; without it all bands and SCL must be there, and
    whatever else the item lists is offered where it exists.
    Raises `InvalidProductError`, `MissingImageError` naming every missing image, or `StoreError` naming every remote
    image that cannot be reached now.
    """
    content = _item_content(path)
    item = read_item(_parse(content, path), str(path))
    places = {name: _place(image.href, path) for name, image in item.images.items()}
    chosen = _choose(places, assets, path, cast("Level", item.scene.name.level))
    _check_local(chosen, path)
    scene = item.scene_with(fingerprint=_fingerprint(content, chosen))
    return EarthSearchProduct(
        scene=scene,
        images={name: item.images[name].radiometry for name in chosen},
        documents=_documents(content, path, item.metadata),
        item_path=path,
        places=chosen,
        described=item.images,
    )


def _item_content(path: Path) -> bytes:
    if path.stat().st_size > _ITEM_LIMIT:
        raise InvalidProductError(f"{path}: {path.stat().st_size} bytes, no STAC item has as many")
    return path.read_bytes()


def _parse(content: bytes, path: Path) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InvalidProductError(f"{path}: no valid JSON: {error}") from error


def _place(href: str, item: Path) -> Path | str:
    """A remote address as it stands, or the file beside the item; anything that leaves the item's folder raises."""
    parts = urlsplit(href)
    if parts.scheme in SCHEMES and parts.netloc:
        return href
    folder = item.resolve().parent
    place = (folder / href).resolve()
    if parts.scheme or parts.netloc or "\0" in href or not place.is_relative_to(folder):
        raise InvalidProductError(
            f"{item}: href {href!r} is neither below the item's folder nor http(s) or s3: refused"
        )
    return place


def _choose(
    listed: Mapping[str, Path | str], assets: frozenset[str] | None, item: Path, level: Level
) -> dict[str, Path | str]:
    """The images to offer: those that must be there, and of the others those that are."""
    present = {name: place for name, place in listed.items() if isinstance(place, str) or place.is_file()}
    wanted = {name: place for name, place in present.items() if assets is None or name in assets}
    faults = remote_faults({name: place for name, place in wanted.items() if isinstance(place, str)})
    required = required_images(level) if assets is None else assets
    optional = {name for name, fault in faults.items() if name not in required and is_final(fault)}
    missing = {name: str(listed.get(name, "not in the item")) for name in sorted(required - wanted.keys())}
    missing |= {name: f"{wanted[name]}: {fault}" for name, fault in sorted(faults.items()) if name not in optional}
    if missing:
        passing = any(name in faults and not is_final(faults[name]) for name in missing)
        raise (StoreError if passing else MissingImageError)(_report(missing, wanted, item))
    return {name: place for name, place in wanted.items() if name not in optional}


def _report(missing: Mapping[str, str], wanted: Mapping[str, Path | str], item: Path) -> str:
    local = ",".join(name for name, place in wanted.items() if isinstance(place, Path))
    advice = f"take what is here with --assets {local}" if local else "fetch them, or name those to take with --assets"
    looked = "; ".join(f"{name} ({why})" for name, why in missing.items())
    return f"{item}: {len(missing)} images missing: {', '.join(missing)}; {advice}. Looked for: {looked}"


def _check_local(places: Mapping[str, Path | str], item: Path) -> None:
    empty = [f"{name} ({p})" for name, p in places.items() if isinstance(p, Path) and p.stat().st_size == 0]
    if empty:
        raise InvalidProductError(f"{item}: empty files: {', '.join(empty)}; fetch them again")


def _fingerprint(content: bytes, places: Mapping[str, Path | str]) -> str:
    digest = hashlib.sha256(content)
    for name, place in sorted(places.items()):
        size = place.stat().st_size if isinstance(place, Path) else place
        digest.update(f"{name}\0{size}\n".encode())
    return digest.hexdigest()


def _documents(content: bytes, item: Path, metadata: Mapping[str, str]) -> tuple[Document, ...]:
    """The item itself, and the metadata that lie beside it."""
    found = [Document(name="source_item", filename=item.name, media_type="application/geo+json", content=content)]
    for name, href in metadata.items():
        place = _place(href, item)
        if isinstance(place, Path) and place.is_file() and 0 < place.stat().st_size <= _DOCUMENT_LIMIT:
            document = Document(
                name=name, filename=place.name, media_type="application/xml", content=place.read_bytes()
            )
            found.append(document)
    return tuple(found)
