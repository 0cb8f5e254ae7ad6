"""Which images go into which pack, and the document that says so. Pure functions."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from hashlib import sha256
from itertools import batched

from ingest.errors import IngestError
from stac import packs
from stac.blocks import IndexedImage
from stac.naming import pack_document_key, pack_prefix
from stac.packs import Pack

_LEAST = 2
"""Images that make a pack: of one, its COG is as good."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How packs are cut: images of a full pack, pixels per side of a part and of a block.

    What does not fill a pack is packed by `step`: an image is packed two to three times until its pack is full, and
    fewer than `step` dates are left to their COGs.
    """

    slots: int = packs.SLOTS
    step: int = 16
    part: int = packs.PART
    block: int = packs.PACK_BLOCK


@dataclass(frozen=True, kw_only=True)
class Source:
    """An image that can be packed: what the block index says of it, the item it belongs to, and when it was taken."""

    image: IndexedImage
    item_id: str
    acquired: datetime

    @property
    def kind(self) -> tuple[object, ...]:
        """What images of one pack have in common: grid, type of numbers, nodata."""
        image = self.image
        grid = image.epsg, image.left, image.top, image.size, image.height, image.width
        return *grid, image.data_type, image.nodata


def chosen(
    sources: Sequence[Source], existing: Sequence[Pack], layout: Layout, *, partial: bool = False
) -> list[tuple[Source, ...]]:
    """The images of each pack that there should be, oldest first.

    A full pack whose images are all in use stays as it is, so that what comes later does not move what is packed. All
    other images are packed in the order of time. What is left over makes a smaller pack, by steps, or whole if
    `partial`; the rest waits.
    """
    by_key = {source.image.key: source for source in sources}
    kept = [
        tuple(by_key[key] for key in pack.keys)
        for pack in existing
        if _is_of(pack, layout) and len(pack.keys) == layout.slots and all(key in by_key for key in pack.keys)
    ]
    taken = {source.image.key for group in kept for source in group}
    kinds: dict[tuple[object, ...], list[Source]] = {}
    for source in sources:
        if source.image.key not in taken:
            kinds.setdefault(source.kind, []).append(source)
    fresh = [group for free in kinds.values() for group in batched(free, layout.slots)]
    step = 1 if partial else layout.step
    cut = [group if len(group) == layout.slots else group[: len(group) // step * step] for group in fresh]
    return kept + [group for group in cut if len(group) >= _LEAST]


def superfluous(existing: Sequence[Pack], wanted: Sequence[Pack], current: set[str]) -> list[Pack]:
    """Packs whose every image is out of use, or in one of those `wanted`."""
    ids = {pack.id for pack in wanted}
    answered = {key for pack in wanted for key in pack.keys}
    return [pack for pack in existing if pack.id not in ids and not (set(pack.keys) & current) - answered]


def document(pack: Pack) -> bytes:
    """What a pack holds, in JSON: lies beside its parts, so that the table can be made again from the bucket."""
    described = {
        "series": pack.series,
        "part": pack.part,
        **{name: value for name, value in asdict(pack.image).items() if name not in ("key", "bands")},
        "images": list(pack.keys),
    }
    return json.dumps(described, indent=1).encode()


def of_document(prefix: str, content: bytes) -> Pack:
    """The pack that a document describes; raises `IngestError` for what is no such document."""
    try:
        told = json.loads(content)
        keys = tuple(str(key) for key in told.pop("images"))
        series, part = str(told.pop("series")), int(told.pop("part"))
        image = IndexedImage(key=prefix, bands=len(keys), **told)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IngestError(f"{pack_document_key(prefix)} does not describe a pack: {error}") from error
    if len(keys) < _LEAST:
        raise IngestError(f"{pack_document_key(prefix)} does not describe a pack: it names fewer than two images")
    return Pack(id=prefix, series=series, keys=keys, image=image, part=part)


def pack_of(series: str, group: Sequence[Source], layout: Layout) -> Pack:
    """The pack of a group of images; its id tells its images and layout."""
    keys = tuple(one.image.key for one in group)
    digest = sha256("\n".join([*keys, f"{layout.part} {layout.block}"]).encode()).hexdigest()
    prefix = pack_prefix(series, group[0].acquired, group[-1].acquired, digest)
    image = replace(group[0].image, key=prefix, codec="zstd", predictor=2, block=layout.block, bands=len(keys))
    return Pack(id=prefix, series=series, keys=keys, image=image, part=layout.part)


def _is_of(pack: Pack, layout: Layout) -> bool:
    return (pack.part, pack.image.block) == (layout.part, layout.block)
