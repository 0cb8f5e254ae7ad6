"""Ingest one product: read, convert, upload, verify, publish. Objects first, the catalogue's items last and at once.

The ledger goes with it (see `ingest.ledger`); a store or database that is away is tried again for a while.
"""

import logging
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC
from typing import Literal

import psycopg

from ingest import ledger, watched
from ingest.convert import Step, convert
from ingest.errors import BusyError, IngestError, InvalidProductError
from ingest.held import held_already, refused_before
from ingest.inventory import inventory
from ingest.ledger import Claim, Entry, Subject
from ingest.omnicloudmask import cloud_model
from ingest.outcome import Outcome, Result
from ingest.products import open_product
from ingest.products.base import Product
from ingest.products.sen2chain import IndexArchiveProduct
from ingest.publishing import (
    items_of,
    names_of,
    prefixes_of,
    publish,
    put_documents,
    scene_collection_of,
    upload,
)
from ingest.retry import patiently
from ingest.sen2chain_convert import convert_indices
from ingest.stopwatch import Stopwatch
from ingest.store import Store
from ingest.workspace import work_folder
from stac import catalog
from stac.collections import INDICES
from stac.database import transaction
from stac.errors import StacError
from stac.settings import Settings

log = logging.getLogger(__name__)

Again = Literal["changed", "invalid", "always"]
"""Which products that have had their turn get another: those that changed, also the invalid, all."""

ERRORS = (IngestError, StacError, OSError, psycopg.Error)
"""What may go wrong with one product, and is told of it."""


def ingest_product(
    source: str,
    *,
    settings: Settings,
    assets: frozenset[str] | None = None,
    kind: Literal["auto", "safe", "earth-search"] = "auto",
    step: Step = lambda _: None,
    again: Again = "changed",
    place: str | None = None,
) -> Outcome:
    """Ingest the product at `source`, unless the catalogue holds it already. Never raises for a bad product.

    `assets` restricts which images are read; `step` hears what is being worked on. A product that another worker is at
    is `unchanged`, with a reason. So is not what was found `invalid` before: unless its files changed, that is said
    again, without another look. `place` is where its files are, if that is somewhere else.
    """
    watch = Stopwatch(step)
    subject = Subject(id=ledger.name_of(source), source=source)
    try:
        # What was asked for is part of the question: with fewer images a product may be complete.
        asked = f"{kind}:{','.join(sorted(assets or ()))}"
        subject = replace(subject, inventory=(known := inventory(place or source)) and f"{known}:{asked}")
        entry = patiently(settings)(ledger.find, settings, subject.id, source)
        if again == "changed" and entry is not None and refused_before(entry, subject):
            return _refused_before(source, entry, watch)
        watch("open")
        product = open_product(place or source, kind=kind, assets=assets)
    except ERRORS as error:
        result = _told(settings, subject, Result(state_of(error), str(error)))
        return _outcome(source, None if subject.id == source else subject.id, result, watch)
    subject = replace(subject, id=product.scene.item_id, fingerprint=product.scene.fingerprint)
    return _outcome(source, subject.id, _ingest(product, subject, settings, watch, again), watch)


def _ingest(product: Product, subject: Subject, settings: Settings, watch: Stopwatch, again: Again) -> Result:
    """Ingest a product that could be opened, if it is not held and nobody else is at it."""
    patient = patiently(settings)
    try:
        entry = patient(ledger.find, settings, subject.id, subject.source)
        held = patient(_held, product, subject, entry, settings, again)
        if held and entry is not None and entry.state in ("published", "superseded", "removed"):
            patient(ledger.named, settings, subject)
            return Result("unchanged", held)
        watch("claim")
        with ExitStack() as stack:
            claim = patient(lambda: stack.enter_context(ledger.claimed(settings, subject)))
            # Another worker may have finished it just now.
            held = patient(_held, product, subject, entry, settings, again)
            return _work(product, claim, settings, watch, held)
    except BusyError as error:
        return Result("unchanged", str(error))
    except ERRORS as error:
        log.warning("%s: %s", subject.id, error)
        return Result("failed", str(error))


def _work(product: Product, claim: Claim, settings: Settings, watch: Stopwatch, held: str | None) -> Result:
    """Do what has been claimed, and tell the ledger how it ended."""
    try:
        if held:
            patiently(settings)(_note_held, product, claim, settings, watch)
            return Result("unchanged", held)
        return _convert_and_publish(product, claim, settings, watch)
    except ERRORS as error:
        state, reason = state_of(error), str(error)
        log.warning("%s: %s: %s", claim.id, state, reason)
    try:
        patiently(settings)(ledger.unfinished, settings, claim, state, reason, watch.seconds(), files=True)
    except StacError as error:
        # The lock is gone with its worker: the product is free for the next run, whatever its entry says.
        reason = f"{reason} (nor can the ledger be told: {error})"
    return Result(state, reason)


def _convert_and_publish(product: Product, claim: Claim, settings: Settings, watch: Stopwatch) -> Result:
    store = Store.connect(settings)
    wanted = patiently(settings)(watched.wanted_of, settings, str(product.scene.name.tile))
    model = cloud_model(settings, asked=wanted.modelled)
    prefixes = prefixes_of(product.scene)
    with work_folder() as folder:
        if isinstance(product, IndexArchiveProduct):
            conversion = convert_indices(product, folder, prefixes["indices"], watch)
        else:
            conversion = convert(product, folder, prefixes, watch, model, indices=wanted.indices)
        files = (*conversion.scene, *conversion.indices)
        upload(files, store, settings, watch)
    items = items_of(product.scene, conversion, settings, model)
    put_documents(items, prefixes, store, settings, watch)
    watch("publish")
    patiently(settings)(publish, items, files, claim, settings, timings=watch.seconds(), warning=conversion.warning)
    watch("done")
    return Result("published", conversion.warning, names_of(items))


def _note_held(product: Product, claim: Claim, settings: Settings, watch: Stopwatch) -> None:
    held = [f"{name}/{claim.id}" for name in sorted({scene_collection_of(product.scene), INDICES})]
    with transaction(settings, None, f"{claim.id}: the ledger cannot be told that it is held") as tx:
        ledger.published(tx, claim, catalog.existing(tx, held), timings=watch.seconds())
        ledger.forget_attempt(tx, claim.id)


def _held(product: Product, subject: Subject, entry: Entry | None, settings: Settings, again: Again) -> str | None:
    return None if again == "always" else held_already(product, subject, entry, settings)


def _told(settings: Settings, subject: Subject, result: Result) -> Result:
    """Tell the ledger of a product that could not be opened; if it cannot be told, its reason says so."""
    log.warning("%s: %s: %s", subject.source, result.state, result.reason)
    state: Literal["failed", "invalid"] = "invalid" if result.state == "invalid" else "failed"
    try:
        patiently(settings)(ledger.refused, settings, subject, state, result.reason or "")
    except StacError as error:
        return replace(result, reason=f"{result.reason} (nor can the ledger be told: {error})")
    return result


def state_of(error: Exception) -> Literal["invalid", "failed"]:
    """Whether another try is in vain."""
    return "invalid" if isinstance(error, InvalidProductError) else "failed"


def _refused_before(source: str, entry: Entry, watch: Stopwatch) -> Outcome:
    result = Result("invalid", f"{entry.reason} (as before; its files have not changed)")
    found = entry.refused or entry.updated
    since = found.astimezone(UTC).isoformat() if found else None
    return replace(_outcome(source, entry.id, result, watch), known_since=since)


def _outcome(source: str, product: str | None, result: Result, watch: Stopwatch) -> Outcome:
    return Outcome(
        source=source,
        product=product,
        state=result.state,
        reason=result.reason,
        items=result.items,
        seconds=watch.total(),
    )
