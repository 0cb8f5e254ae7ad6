"""Items and collections as others write them: checked, then published as our own are. No web framework.

Items of our own collections have to be Sentinel-2 products, by their ids: which of an acquisition counts is settled as
at ingestion, and an item's images leave the block index with it. Other collections may hold whatever STAC allows.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import stac_pydantic
from psycopg.types.json import Jsonb
from pydantic import BaseModel, ValidationError

from stac import catalog, removed
from stac.boxes import check_place
from stac.collections import COLLECTION_IDS
from stac.database import Connection, transaction
from stac.errors import (
    CatalogAwayError,
    CatalogError,
    ExistsError,
    InvalidDocumentError,
    MissingError,
    NameFormatError,
    SearchError,
)
from stac.naming import ProductName, item_prefix
from stac.queryables import misfits
from stac.search import check_text
from stac.settings import Settings

type Document = dict[str, Any]
type Change = Callable[[Document], Document]

# What is safe in an address, a file name and a log.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+@-]{0,254}")
_INFERRED = frozenset({"self", "parent", "root", "items", "item", "child"})
_TRIES = 3


def check_item(item: Any, collection: str, item_id: str | None = None) -> Document:
    """`item`, fit to be stored in `collection`, as `item_id` if that is given; raises `InvalidDocumentError`."""
    document = _checked(stac_pydantic.Item, item, "item")
    _agree("collection", document.get("collection", collection), collection)
    _agree("id", document["id"], item_id or document["id"])
    if document.get("geometry") is None:
        raise InvalidDocumentError(f"item {document['id']}: it needs a geometry, by which it is found")
    try:
        check_place(document["geometry"])
    except SearchError as error:
        raise InvalidDocumentError(f"item {document['id']}: {error}") from None
    if wrong := "; ".join(misfits(document["properties"])):
        raise InvalidDocumentError(f"item {document['id']}: {wrong}")
    if collection in COLLECTION_IDS:
        _check_product(document, collection)
    # Searches hide what says that it is deprecated: who is not says nothing.
    properties = {key: value for key, value in document["properties"].items() if (key, value) != ("deprecated", False)}
    return document | {"collection": collection, "properties": properties, "links": _own_links(document)}


def check_collection(collection: Any, collection_id: str | None = None) -> Document:
    """`collection`, fit to be stored, as `collection_id` if that is given; raises `InvalidDocumentError`."""
    document = _checked(stac_pydantic.Collection, collection, "collection")
    _agree("id", document["id"], collection_id or document["id"])
    if document["id"] in COLLECTION_IDS:
        raise ExistsError(f"collection {document['id']} is made by the archive itself, not over the API")
    return document | {"links": _own_links(document)}


def write_item(settings: Settings, item: Document, expect: Literal["absent", "present"]) -> None:
    """Store an item that `check_item` passed; raises `ExistsError`, `MissingError`, `CatalogError`."""
    with transaction(settings, None, f"item {item['id']}: cannot be stored") as tx:
        _need_collection(tx, item["collection"])
        catalog.publish([item], settings, tx, expect=expect)


def write_items(settings: Settings, collection: str, items: Mapping[str, Document], *, replace: bool) -> dict[str, str]:
    """Store items of one collection, by id; returns why those were not stored that were not.

    What is there already is refused, unless `replace`. Where the database refuses one of them, the others are stored.
    Raises `MissingError` if there is no such collection.
    """
    with transaction(settings, None, f"collection {collection}: cannot be read") as tx:
        _need_collection(tx, collection)
    refused: dict[str, str] = {}
    for _ in range(_TRIES):
        left = {item_id: item for item_id, item in items.items() if item_id not in refused}
        if not replace:
            there = _existing(settings, collection, left)
            refused |= dict.fromkeys(there, "there already")
            left = {item_id: item for item_id, item in left.items() if item_id not in there}
        try:
            if left:
                catalog.publish(list(left.values()), settings, expect=None if replace else "absent")
        except ExistsError:
            continue  # somebody else was faster with one of them
        except CatalogAwayError:
            raise
        except CatalogError:
            return refused | _one_by_one(settings, left, None if replace else "absent")
        return refused
    raise CatalogAwayError(f"collection {collection}: somebody else is writing the same items")


def change_item(settings: Settings, collection: str, item_id: str, change: Change) -> None:
    """Replace an item by what `change` makes of it; raises `MissingError`, and what `change` raises.

    `change` is called twice: what it makes of the item tells what has to be locked, and only then the item stays as it
    is read. To lock the collection first would be out of order where the item moves to a partition that is not there.
    """
    with transaction(settings, None, f"item {item_id}: cannot be changed") as tx:
        _need_collection(tx, collection)
        catalog.hold_items(tx, [_changed(tx, collection, item_id, change)])
        catalog.publish([_changed(tx, collection, item_id, change)], settings, tx, expect="present")


def remove_item(settings: Settings, collection: str, item_id: str) -> None:
    """Take an item out, with its block index, and tell the ledger; raises `MissingError`.

    Its objects are left to `retention` or `reconcile`, whichever comes first: the API need not be let into the bucket.
    """
    with transaction(settings, None, f"item {item_id}: cannot be removed") as tx:
        row = tx.execute(
            "SELECT datetime FROM pgstac.items WHERE collection = %s AND id = %s", (collection, item_id)
        ).fetchone()
        if row is None or not catalog.remove([(collection, item_id)], settings, tx):
            raise MissingError(f"Item {item_id} in Collection {collection} does not exist.")
        if collection in COLLECTION_IDS:
            folder = item_prefix(collection, item_id, ProductName.parse(item_id).tile, row[0])
            removed.note(tx, item_id, [f"{collection}/{item_id}"], [folder], "removed over the API")


def write_collection(settings: Settings, collection: Document) -> None:
    """Make a collection that `check_collection` passed; raises `ExistsError`."""
    with transaction(settings, None, f"collection {collection['id']}: cannot be stored") as tx:
        catalog.hold(tx, collection["id"])
        if _stored_collection(tx, collection["id"]) is not None:
            raise ExistsError(f"collection {collection['id']}: there already")
        tx.execute("SELECT pgstac.create_collection(%s)", (Jsonb(collection),))


def change_collection(settings: Settings, collection_id: str, change: Change) -> None:
    """Replace a collection by what `change` makes of it; raises `MissingError`, and what `change` raises."""
    with transaction(settings, None, f"collection {collection_id}: cannot be changed") as tx:
        catalog.hold(tx, collection_id)
        stored = _stored_collection(tx, collection_id)
        if stored is None:
            raise MissingError(f"Collection {collection_id} does not exist.")
        changed = check_collection(change(stored), collection_id)
        tx.execute("SELECT pgstac.update_collection(%s)", (Jsonb(changed),))


def remove_collection(settings: Settings, collection_id: str) -> None:
    """Take a collection out that holds no items; raises `ExistsError` for any other, `MissingError`."""
    if collection_id in COLLECTION_IDS:
        raise ExistsError(f"collection {collection_id} is the archive's own")
    with transaction(settings, None, f"collection {collection_id}: cannot be removed") as tx:
        catalog.hold(tx, collection_id)
        if _stored_collection(tx, collection_id) is None:
            raise MissingError(f"Collection {collection_id} does not exist.")
        if (
            tx.execute("SELECT FROM pgstac.items WHERE collection = %s LIMIT 1", (collection_id,)).fetchone()
            is not None
        ):
            raise ExistsError(f"collection {collection_id} holds items: remove them first")
        tx.execute("SELECT pgstac.delete_collection(%s)", (collection_id,))


def _checked(model: type[BaseModel], document: Any, kind: str) -> Document:
    """A copy of `document`, a valid one by `model`, with a safe id."""
    if not isinstance(document, dict):
        raise InvalidDocumentError(f"{kind}: it has to be a JSON object")
    name = f"{kind} {str(document.get('id', ''))[:80]!r}"
    try:
        check_text(document)
        model.model_validate(document)
    except SearchError as error:
        raise InvalidDocumentError(f"{name}: {error}") from None
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise InvalidDocumentError(f"{name}: {faults}") from None
    if not _ID.fullmatch(document["id"]):
        raise InvalidDocumentError(
            f"{name}: an id is up to 255 letters, digits and ._+@-, the first of them a letter or digit"
        )
    return dict(document)


def _agree(what: str, said: Any, wanted: str) -> None:
    if said != wanted:
        raise InvalidDocumentError(f"{what} is {str(said)[:80]!r} in the document and {wanted[:80]!r} in the address")


def _check_product(document: Document, collection: str) -> None:
    try:
        ProductName.parse(document["id"])
    except NameFormatError as error:
        raise InvalidDocumentError(f"item {document['id']}: {collection} holds Sentinel-2 products: {error}") from None
    if not document["properties"].get("datetime"):
        raise InvalidDocumentError(f"item {document['id']}: {collection} needs a datetime")


def _own_links(document: Document) -> list[Any]:
    """The links that are the document's own: the API makes the others."""
    return [link for link in document.get("links") or () if link["rel"] not in _INFERRED]


def _changed(tx: Connection, collection: str, item_id: str, change: Change) -> Document:
    row = tx.execute("SELECT pgstac.get_item(%s, %s)", (item_id, collection)).fetchone()
    if row is None or row[0] is None:
        raise MissingError(f"Item {item_id} in Collection {collection} does not exist.")
    return check_item(change(row[0]), collection, item_id)


def _need_collection(tx: Connection, collection_id: str) -> None:
    if _stored_collection(tx, collection_id) is None:
        raise MissingError(f"Collection {collection_id} does not exist.")


def _stored_collection(tx: Connection, collection_id: str) -> Document | None:
    row = tx.execute("SELECT content FROM pgstac.collections WHERE id = %s", (collection_id,)).fetchone()
    return row[0] if row else None


def _existing(settings: Settings, collection: str, ids: Iterable[str]) -> set[str]:
    with transaction(settings, None, f"collection {collection}: cannot be read") as tx:
        return {name.split("/", 1)[1] for name in catalog.existing(tx, [f"{collection}/{each}" for each in ids])}


def _one_by_one(
    settings: Settings, items: Mapping[str, Document], expect: Literal["absent", "present"] | None
) -> dict[str, str]:
    refused = {}
    for item_id, item in items.items():
        try:
            catalog.publish([item], settings, expect=expect)
        except CatalogAwayError:
            raise
        except ExistsError:
            refused[item_id] = "there already"
        except CatalogError:
            refused[item_id] = "the catalogue cannot make sense of it: check geometry and datetime"
    return refused
