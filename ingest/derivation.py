"""The index product of a scene that is held: made, or made again with what it lacks, from the stored images."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from ingest import ledger, watched
from ingest.convert import Step, write_indices
from ingest.derive import derivable_indices, mask_sources, needed_images
from ingest.errors import BusyError, InvalidProductError
from ingest.ledger import Claim, Entry, Subject
from ingest.omnicloudmask import cloud_model
from ingest.outcome import Outcome, Result
from ingest.pipeline import ERRORS, state_of
from ingest.prepared import Target
from ingest.products.stored import StoredProduct
from ingest.publishing import assets_of, names_of, prefixes_of, publish, put_documents, upload, with_model
from ingest.retry import patiently
from ingest.stopwatch import Stopwatch
from ingest.store import Store
from ingest.watched import Wanted
from ingest.workspace import work_folder
from stac import catalog
from stac.assets import MASK
from stac.collections import INDICES, L2A
from stac.database import transaction
from stac.indices import INDICES as ALL
from stac.items import index_item
from stac.rows import Item
from stac.settings import Settings

log = logging.getLogger(__name__)

# What an item lacks of what its collection describes is a mark in its place, and has no href.
_SCENES = """
SELECT scene.id, substr(scene.id, 40, 5),
  ARRAY(SELECT key FROM jsonb_each(scene.content->'assets') WHERE value ? 'href'),
  ARRAY(SELECT key FROM jsonb_each(made.content->'assets') WHERE value ? 'href'),
  coalesce(made.content->'assets'->'MASK'->'classification:bitfields' @> '[{"name": "ocm"}]', false)
FROM pgstac.items AS scene
LEFT JOIN pgstac.items AS made ON made.collection = %(indices)s AND made.id = scene.id
WHERE scene.collection = %(scenes)s
AND (scene.content->'properties'->'deprecated') IS DISTINCT FROM 'true'::jsonb
AND NOT EXISTS (SELECT FROM sen2extract.ledger WHERE id = scene.id AND %(indices)s || '/' || id = ANY(removed))
ORDER BY scene.id
"""


_OURS = "its indices: "


@dataclass(frozen=True, kw_only=True)
class _Scene:
    """A scene held: names of its images, and of those of its index product."""

    id: str
    tile: str
    images: Sequence[str]
    made: Sequence[str]
    modelled: bool

    def lacks(self, wanted: Wanted) -> bool:
        """Whether something that is wanted of it could be made and is not there."""
        derivable = {index.name for index in derivable_indices(self.images, wanted.indices)}
        if derivable and mask_sources(self.images):
            derivable.add(MASK)
        return bool(derivable - set(self.made)) or (bool(derivable) and wanted.modelled and not self.modelled)


def underived(settings: Settings, *, limit: int | None = None) -> list[str]:
    """Ids of the L2A scenes in use that lack indices or a mask which their tile's areas want; at most `limit`.

    What retention took out is not made again.
    """
    with transaction(settings, None, "what is derived") as tx:
        rows = tx.execute(_SCENES, {"scenes": L2A, "indices": INDICES}).fetchall()
    scenes = [_Scene(id=row[0], tile=row[1], images=row[2], made=row[3], modelled=row[4]) for row in rows]
    areas = watched.approved(settings)
    wanted = {tile: watched.wanted(tile, areas) for tile in {scene.tile for scene in scenes}}
    return [scene.id for scene in scenes if scene.lacks(wanted[scene.tile])][:limit]


def derive_product(item_id: str, *, settings: Settings, step: Step = lambda _: None) -> Outcome:
    """Make the index product of an L2A scene that the catalogue holds, from its stored images; never raises for one.

    What is made of it already is made again with the rest. A scene that another worker is at is `unchanged`.
    """
    watch = Stopwatch(step)
    patient = patiently(settings)
    try:
        item = patient(catalog.get_item, settings, L2A, item_id)
        if item is None:
            raise InvalidProductError(f"{item_id}: the catalogue holds no such L2A scene")
        entry = patient(ledger.find, settings, item_id, item_id)
        with ledger.claimed(settings, _subject(item_id, entry)) as claim:
            result = _work(item, claim, settings, watch, _warning(entry))
    except BusyError as error:
        result = Result("unchanged", str(error))
    except ERRORS as error:
        result = Result(state_of(error), str(error))
    return Outcome(
        source=item_id, product=item_id, state=result.state, reason=result.reason, items=result.items,
        seconds=watch.total(),
    )  # fmt: skip


def _subject(item_id: str, entry: Entry | None) -> Subject:
    """The scene as it is known: its source and its files are not what is worked on."""
    if entry is None:
        return Subject(id=item_id, source=item_id)
    return Subject(id=item_id, source=entry.source, fingerprint=entry.fingerprint, inventory=entry.inventory)


def _warning(entry: Entry | None) -> str | None:
    """What there was to say of the scene itself."""
    if entry is None or entry.state not in ("published", "superseded"):
        return None
    return None if (entry.reason or "").startswith(_OURS) else entry.reason


def _work(item: Item, claim: Claim, settings: Settings, watch: Stopwatch, warning: str | None) -> Result:
    """Do what has been claimed, and tell the ledger how it ended."""
    try:
        return Result("published", items=_derive(item, claim, settings, watch, warning))
    except ERRORS as error:
        state, reason = state_of(error), f"{_OURS}{error}"
        log.warning("%s: %s: %s", claim.id, state, reason)
    patiently(settings)(ledger.unfinished, settings, claim, state, reason, watch.seconds())
    return Result(state, reason)


def _derive(item: Item, claim: Claim, settings: Settings, watch: Stopwatch, warning: str | None) -> tuple[str, ...]:
    patient, store = patiently(settings), Store.connect(settings)
    product = StoredProduct(item, store)
    prefixes = prefixes_of(product.scene)
    wanted = patient(watched.wanted_of, settings, str(product.scene.name.tile))
    made = (patient(catalog.get_item, settings, INDICES, claim.id) or {"assets": {}})["assets"]
    indices = tuple(index for index in ALL.values() if index in wanted.indices or index.name in made)
    model = cloud_model(settings, asked=wanted.modelled)
    needed = needed_images(indices, modelled=model is not None)
    rasters = {name: product.read(name) for name in product.images if name in needed}
    with work_folder() as folder:
        target = Target(folder=folder, prefix=prefixes["indices"])
        prepared = write_indices(product, rasters, target, watch, model, indices=indices)
        if not prepared:
            raise InvalidProductError(f"{claim.id}: no index can be made from the images held")
        upload(prepared, store, settings, watch)
    described = index_item(with_model(product.scene, prepared, model), assets_of(prepared), product.footprint, settings)
    put_documents([described], prefixes, store, settings, watch)
    watch("publish")
    patient(
        publish, [described], prepared, claim, settings,
        timings=watch.seconds(), warning=warning, beside=[f"{L2A}/{claim.id}"],
    )  # fmt: skip
    return names_of([described])
