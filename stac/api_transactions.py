"""Writing over the API: the transaction extension, and many items at once. Only where a writer is configured."""

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any, cast

import attr
import jsonpatch
import jsonpointer
from fastapi import APIRouter, Body, Depends, Request
from json_merge_patch import merge
from pydantic import BaseModel, Field
from stac_fastapi.api.models import CollectionUri, ItemUri
from stac_fastapi.api.routes import create_async_endpoint
from stac_fastapi.extensions.bulk_transactions import BulkTransactionMethod
from stac_fastapi.extensions.transaction import TransactionExtension
from stac_fastapi.types.config import ApiSettings
from stac_fastapi.types.core import AsyncBaseCoreClient
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from stac import writing
from stac.api_writer import REFUSALS, writer
from stac.errors import ExistsError, InvalidDocumentError
from stac.settings import Settings
from stac.writing import Document

_COLLECTION = "/collections/{collection_id}"
_ITEMS = f"{_COLLECTION}/items"
_GEOJSON = "application/geo+json"
_NO_BODY = "the body has to be JSON: a STAC document, or a patch of one"
_ITEM = {"$ref": "#/components/schemas/Item"}


class Refused(BaseModel):
    """An item that was not stored, and why."""

    id: str
    msg: str


class Outcome(BaseModel):
    """What became of many items: those in `errors` were not stored, all others were."""

    received: int
    success: int
    skipped: int = 0
    errors: list[Refused]


class RemovedItem(BaseModel):
    """The id of what was removed."""

    item: str = Field(alias="deleted item")


class RemovedCollection(BaseModel):
    """The id of what was removed."""

    collection: str = Field(alias="deleted collection")


class ManyItems(BaseModel):
    """Items by id, as the bulk transactions of stac-fastapi take them."""

    items: dict[str, Any]
    method: BulkTransactionMethod = Field(
        default=BulkTransactionMethod.INSERT, description="`upsert` replaces what is there already"
    )


@attr.s
class _PostItem(CollectionUri):
    item: Annotated[dict[str, Any], Body(description="a STAC item, or a GeoJSON FeatureCollection of items")] = attr.ib(
        default=None
    )


@attr.s
class _PostMany(CollectionUri):
    many: Annotated[ManyItems, Body()] = attr.ib(default=None)


class Transactions:
    """Writes with the role of `settings`; `core`, which is to be set, reads back what was written.

    The documents are the bodies as they came: what FastAPI makes of them has been checked, and lost what it does not
    know.
    """

    core: AsyncBaseCoreClient

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    async def create_item(self, collection_id: str, item: Any, request: Request, **_: Any) -> Response:
        """Store an item, or each of a FeatureCollection."""
        if not isinstance(item, dict):
            raise InvalidDocumentError(_NO_BODY)
        if item.get("type") == "FeatureCollection":
            features = item.get("features")
            if not isinstance(features, list):
                raise InvalidDocumentError("features has to be a list of items")
            return await self._store_many(collection_id, list(enumerate(features)), replace=False)
        document = writing.check_item(item, collection_id)
        await run_in_threadpool(writing.write_item, self.settings, document, "absent")
        return await self._item(request, collection_id, document["id"], HTTPStatus.CREATED)

    async def update_item(self, request: Request, collection_id: str, item_id: str, **_: Any) -> Response:
        """Replace an item."""
        document = writing.check_item(await _sent(request), collection_id, item_id)
        await run_in_threadpool(writing.write_item, self.settings, document, "present")
        return await self._item(request, collection_id, item_id)

    async def patch_item(self, collection_id: str, item_id: str, request: Request, **_: Any) -> Response:
        """Change an item by a merge patch or a JSON patch."""
        change = _change(await _sent(request))
        await run_in_threadpool(writing.change_item, self.settings, collection_id, item_id, change)
        return await self._item(request, collection_id, item_id)

    async def delete_item(self, item_id: str, collection_id: str, **_: Any) -> Response:
        """Take an item out."""
        await run_in_threadpool(writing.remove_item, self.settings, collection_id, item_id)
        return JSONResponse({"deleted item": item_id})

    async def create_collection(self, collection: Any, request: Request, **_: Any) -> Response:
        """Make a collection."""
        document = writing.check_collection(await _sent(request))
        await run_in_threadpool(writing.write_collection, self.settings, document)
        return await self._collection(request, collection.id, HTTPStatus.CREATED)

    async def update_collection(self, collection_id: str, request: Request, **_: Any) -> Response:
        """Replace a collection."""
        document = writing.check_collection(await _sent(request), collection_id)
        await run_in_threadpool(writing.change_collection, self.settings, collection_id, lambda _: document)
        return await self._collection(request, collection_id)

    async def patch_collection(self, collection_id: str, request: Request, **_: Any) -> Response:
        """Change a collection by a merge patch or a JSON patch."""
        change = _change(await _sent(request))
        await run_in_threadpool(writing.change_collection, self.settings, collection_id, change)
        return await self._collection(request, collection_id)

    async def delete_collection(self, collection_id: str, **_: Any) -> Response:
        """Take a collection out that holds no items."""
        await run_in_threadpool(writing.remove_collection, self.settings, collection_id)
        return JSONResponse({"deleted collection": collection_id})

    async def create_many(self, collection_id: str, many: ManyItems | None, **_: Any) -> Response:
        """Store many items, each by itself."""
        if many is None:
            raise InvalidDocumentError(_NO_BODY)
        replace = many.method == BulkTransactionMethod.UPSERT
        return await self._store_many(collection_id, list(many.items.items()), replace=replace)

    async def _store_many(self, collection_id: str, found: list[tuple[int | str, Any]], *, replace: bool) -> Response:
        """Store items by name (or place in a list), and say of each that was not stored why."""
        fit: dict[str, Document] = {}
        errors = []
        for name, item in found:
            try:
                document = writing.check_item(item, collection_id, name if isinstance(name, str) else None)
                if document["id"] in fit:
                    raise InvalidDocumentError("twice in one request")  # noqa: TRY301 - one of the faults of an item
            except InvalidDocumentError as error:
                said = item.get("id", name) if isinstance(item, dict) else name
                errors.append(Refused(id=str(said)[:255], msg=str(error)))
            else:
                fit[document["id"]] = document
        refused = await run_in_threadpool(writing.write_items, self.settings, collection_id, fit, replace=replace)
        errors += [Refused(id=item_id, msg=reason) for item_id, reason in refused.items()]
        outcome = Outcome(received=len(found), success=len(found) - len(errors), errors=errors)
        status = HTTPStatus.MULTI_STATUS if errors else HTTPStatus.CREATED
        return JSONResponse(outcome.model_dump(), status)

    async def _item(
        self, request: Request, collection_id: str, item_id: str, status: HTTPStatus = HTTPStatus.OK
    ) -> Response:
        answer: Any = await self.core.get_item(item_id, collection_id, request=request)
        answer.status_code = status
        if status == HTTPStatus.CREATED:
            links = json.loads(bytes(answer.body))["links"]
            answer.headers["location"] = next(link["href"] for link in links if link["rel"] == "self")
        return cast("Response", answer)

    async def _collection(self, request: Request, collection_id: str, status: HTTPStatus = HTTPStatus.OK) -> Response:
        document = await self.core.get_collection(collection_id, request=request)
        answer = JSONResponse(document, status)
        if status == HTTPStatus.CREATED:
            answer.headers["location"] = next(link["href"] for link in document["links"] if link["rel"] == "self")
        return answer


async def _sent(request: Request) -> Any:
    """The body as it came."""
    try:
        return await request.json()
    except (ValueError, RecursionError):
        raise InvalidDocumentError(_NO_BODY) from None


def _change(patch: Any) -> Callable[[Document], Document]:
    """What a JSON patch (a list of operations, RFC 6902) or a merge patch (an object, RFC 7396) does to a document."""
    if isinstance(patch, dict):
        return lambda document: merge(document, patch)

    def apply(document: Document) -> Document:
        try:
            changed: Document = jsonpatch.apply_patch(document, patch)
        except jsonpatch.JsonPatchTestFailed as error:
            raise ExistsError(f"the document is not what the patch expects: {error}") from None
        except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError, KeyError) as error:
            raise InvalidDocumentError(f"the patch cannot be applied: {error}") from None
        return changed

    return apply


@attr.s
class WritingExtension(TransactionExtension):
    """The transaction extension, with an outcome for each of many items."""

    client: Any = attr.ib(kw_only=True)

    def register_create_item(self) -> None:
        """POST of one item or of a FeatureCollection, and of many by id."""
        outcome = {"model": Outcome, "description": "What became of each"}
        some = outcome | {"description": "Some were not stored: `errors` says which, and why"}
        one = {"description": "The item; of many, what became of each", "content": {_GEOJSON: {"schema": _ITEM}}}
        self._add(f"POST {_ITEMS}", "Create Item", self.client.create_item, _PostItem, {201: outcome | one, 207: some})
        path = f"{_COLLECTION}/bulk_items"
        self._add(f"POST {path}", "Create Many Items", self.client.create_many, _PostMany, {201: outcome, 207: some})

    def register_delete_item(self) -> None:
        """DELETE of an item."""
        gone = {200: {"model": RemovedItem, "description": "It is out of the catalogue"}}
        self._add(f"DELETE {_ITEMS}/{{item_id}}", "Delete Item", self.client.delete_item, ItemUri, gone)

    def register_delete_collection(self) -> None:
        """DELETE of a collection."""
        gone = {200: {"model": RemovedCollection, "description": "It is out of the catalogue"}}
        self._add(f"DELETE {_COLLECTION}", "Delete Collection", self.client.delete_collection, CollectionUri, gone)

    def _add(self, route: str, name: str, endpoint: Any, model: type[Any], responses: dict[int, Any]) -> None:
        method, path = route.split()
        self.router.add_api_route(
            path,
            create_async_endpoint(endpoint, model),
            methods=[method],
            name=name,
            status_code=int(next(iter(responses))),
            responses=cast("dict[int | str, dict[str, Any]]", responses),
            dependencies=self.route_dependencies,
        )


def writing_extension(settings: Settings, api_settings: ApiSettings) -> WritingExtension:
    """The extension, for the writer only."""
    return WritingExtension(
        client=Transactions(settings),
        settings=api_settings,
        router=APIRouter(responses=REFUSALS),
        route_dependencies=[Depends(writer)],
    )
