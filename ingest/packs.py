"""Packs made from the COGs: part by part, from the blocks that a part needs, never from whole images.

One worker per series (asset of a tile). A part is in the store before the database names it, and what is named is not
made again: interrupted anywhere, the same call goes on. What a new pack makes superfluous goes after it is complete.
"""

import logging
import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from ingest import pack_care, pack_pixels
from ingest.errors import IngestError
from ingest.pack_plan import Layout, Source, chosen, document, pack_of, superfluous
from ingest.store import Store
from stac import packs
from stac.assets import COG, MASK
from stac.bands import BANDS
from stac.blocks import IndexedImage
from stac.collections import INDICES, L1C, L2A
from stac.database import Connection, connect, only_one, transaction
from stac.errors import StacError
from stac.indices import INDICES as INDEX_TABLE
from stac.naming import pack_document_key, pack_part_key, series_of
from stac.packs import Pack, Part
from stac.settings import Settings

log = logging.getLogger(__name__)

DEFAULT_ASSETS = ("NDVI", MASK)
_L1C = "L1C/"
"""Before the name of a band: that of L1C products, and not of L2A."""
_LOCKS = 0x5332504B  # the number space of our advisory locks: "S2PK"

type State = Literal["packed", "unchanged", "planned", "failed"]
type Progress = Callable[[int, int], None]
"""Called with the number of parts done, and of all parts to do."""

_SOURCES = """
SELECT b.key, b.item_id, o.acquired, b.epsg, b.origin_left, b.origin_top, b.pixel_size, b.height, b.width, b.data_type,
  b.codec, b.predictor, b.nodata
FROM sen2extract.blocks AS b JOIN sen2extract.observations AS o USING (collection, item_id)
WHERE b.collection = %(collection)s AND b.asset = %(asset)s AND starts_with(b.key, %(prefix)s) AND NOT o.deprecated
ORDER BY o.acquired, b.key
"""
_KEYS = "SELECT key FROM sen2extract.blocks WHERE collection = %s AND asset = %s"


@dataclass(frozen=True, kw_only=True)
class Packed:
    """What became of a series: packs it should have and images they hold, images left to their COGs, parts made now."""

    series: str
    state: State
    packs: int = 0
    images: int = 0
    waiting: int = 0
    made: int = 0
    bytes: int = 0
    removed: int = 0
    reason: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def assets_of(text: str) -> tuple[str, ...]:
    """Asset names from a list with commas; raises `IngestError` for one that cannot be packed.

    `B04` is the band of L2A products, `L1C/B04` that of L1C products.
    """
    names = tuple(dict.fromkeys(name.strip().upper() for name in text.split(",") if name.strip()))
    bands = {level: [band.name for band in BANDS.values() if level in band.levels] for level in ("L2A", "L1C")}
    known = [*INDEX_TABLE, MASK, *bands["L2A"], *(_L1C + name for name in bands["L1C"])]
    if unknown := [name for name in names if name not in known]:
        raise IngestError(f"{', '.join(unknown)} cannot be packed: choose from {', '.join(known)}")
    return names


def series_held(settings: Settings, assets: Sequence[str], tile: str | None = None) -> list[str]:
    """The series of `assets` that the archive holds, of one tile (`48PWU`) if given, sorted."""
    found: set[str] = set()
    with transaction(settings, None, "cannot list what could be packed") as tx:
        for asset in assets:
            rows = tx.execute(_KEYS, (_collection_of(asset), asset.removeprefix(_L1C))).fetchall()
            found |= {series for row in rows if (series := series_of(row[0])) is not None}
    return sorted(series for series in found if tile is None or _tile_of(series) == tile)


def pack_series(
    settings: Settings,
    series: str,
    *,
    partial: bool = False,
    check: bool = False,
    dry_run: bool = False,
    layout: Layout | None = None,
    parts: Collection[tuple[int, int]] | None = None,
    progress: Progress | None = None,
) -> Packed:
    """Pack the images of a series that are in use and in no pack yet, in the order of time.

    What is less than a full pack is packed by sixteens, or to the last image if `partial`. With `parts` (row, column)
    only these are made, and no old pack is taken out. Packs of which an image has been replaced are made
    anew; with `check` those that are damaged too, for which all are read. What stands in the way of this series is told
    in what is returned.
    """
    work = _Work(settings=settings, series=series, layout=layout or Layout(), partial=partial, parts=parts)
    try:
        with only_one(settings, _LOCKS, series) as free:
            if not free:
                return Packed(series=series, state="unchanged", reason="another worker is at it")
            if check:
                work.check()
            return work.plan() if dry_run else work.run(progress or (lambda _done, _all: None))
    except (IngestError, StacError) as error:
        return Packed(series=series, state="failed", reason=str(error))


@dataclass(frozen=True, kw_only=True)
class _Work:
    """What is done for one series, by its only worker."""

    settings: Settings
    series: str
    layout: Layout
    partial: bool
    parts: Collection[tuple[int, int]] | None

    def check(self) -> None:
        """Give up the parts that are damaged."""
        store = Store.connect(self.settings)
        for key in pack_care.corrupt(self.settings, store, self.series):
            log.warning("%s is damaged: it is made anew", key)
            pack_care.give_up(self.settings, store, [key])

    def plan(self) -> Packed:
        """What there is to do; nothing is done."""
        sources, _, groups, wanted = self._survey()
        with connect(self.settings) as connection:
            todo = sum(len(self._missing(connection, pack)) for pack in wanted)
        return replace(self._told(sources, groups, wanted), state="planned", made=todo)

    def run(self, progress: Progress) -> Packed:
        """Make what is missing, then take out what is superfluous."""
        sources, existing, groups, wanted = self._survey()
        store = Store.connect(self.settings)
        made = self._build(store, list(zip(wanted, groups, strict=True)), progress)
        current = {source.image.key for source in sources}
        old = superfluous(existing, wanted, current) if self.parts is None else []
        with transaction(self.settings, None, f"{self.series}: old packs cannot be taken out") as tx:
            gone = packs.remove(tx, [pack.id for pack in old])
        store.remove(gone)
        told = self._told(sources, groups, wanted)
        state: State = "packed" if made or old else "unchanged"
        return replace(told, state=state, made=len(made), bytes=sum(made), removed=len(old))

    def _survey(self) -> tuple[list[Source], list[Pack], list[tuple[Source, ...]], list[Pack]]:
        with transaction(self.settings, None, f"{self.series}: cannot be surveyed") as tx:
            sources, existing = _sources(tx, self.series), packs.of_series(tx, [self.series])
        groups = chosen(sources, existing, self.layout, partial=self.partial)
        return sources, existing, groups, [pack_of(self.series, group, self.layout) for group in groups]

    def _told(self, sources: Sequence[Source], groups: Sequence[Sequence[Source]], wanted: Sequence[Pack]) -> Packed:
        images = sum(len(group) for group in groups)
        return Packed(
            series=self.series,
            state="unchanged",
            packs=len(wanted),
            images=images,
            waiting=len(sources) - images,
        )

    def _build(self, store: Store, found: Sequence[tuple[Pack, tuple[Source, ...]]], progress: Progress) -> list[int]:
        """Make the parts that are missing; returns their sizes."""
        todo = []
        for pack, group in found:
            with connect(self.settings) as connection:
                missing = self._missing(connection, pack)
            if missing:
                store.put_document(pack_document_key(pack.id), document(pack), "application/json")
                with transaction(self.settings, None, f"{pack.id}: cannot be entered") as tx:
                    packs.add(tx, pack)
            todo += [(pack, group, row, column) for row, column in missing]
        made: list[int] = []
        progress(0, len(todo))
        with tempfile.TemporaryDirectory(prefix="pack-") as folder:
            for pack, group, row, column in todo:
                made.append(self._make(store, pack, group, (row, column), Path(folder)))
                progress(len(made), len(todo))
        return made

    def _missing(self, connection: Connection, pack: Pack) -> list[tuple[int, int]]:
        wanted = set(pack.parts) if self.parts is None else set(pack.parts) & set(self.parts)
        return sorted(wanted - packs.parts_held(connection, pack.id))

    def _make(self, store: Store, pack: Pack, group: Sequence[Source], place: tuple[int, int], folder: Path) -> int:
        grid = pack_pixels.part_grid(pack, *place)
        with connect(self.settings) as connection:
            stack = pack_pixels.read(store, connection, group, grid, pack)
        path = folder / "part.tif"
        file, spans = pack_pixels.write(stack, pack, group, grid, path)
        key = pack_part_key(pack.id, *place, file.sha256)
        store.put(key, path, sha256=file.sha256, media_type=COG)
        part = Part(pack=pack.id, row=place[0], column=place[1], key=key, size=file.size, spans=spans)
        with transaction(self.settings, None, f"{key}: cannot be entered") as tx:
            packs.add_part(tx, part)
        return file.size


def _sources(tx: Connection, series: str) -> list[Source]:
    square, _, asset = series.rpartition("/")
    values = {"collection": series.partition("/")[0], "asset": asset, "prefix": f"{square}/"}
    return [_source(*row) for row in tx.execute(_SOURCES, values).fetchall()]


def _source(key: str, item_id: str, acquired: datetime, *stored: Any) -> Source:
    names = ("epsg", "left", "top", "size", "height", "width", "data_type", "codec", "predictor", "nodata")
    image = IndexedImage(key=key, **dict(zip(names, stored, strict=True)))
    return Source(image=image, item_id=item_id, acquired=acquired)


def _collection_of(asset: str) -> str:
    if asset.startswith(_L1C):
        return L1C
    return INDICES if asset == MASK or asset in INDEX_TABLE else L2A


def _tile_of(series: str) -> str:
    return "".join(series.split("/")[1:4])
