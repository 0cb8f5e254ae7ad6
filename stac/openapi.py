"""OpenAPI documents told true: what the frameworks write of their own errors, and leave out of ours. Pure."""

from collections.abc import Callable, Iterable
from functools import partial
from http import HTTPStatus
from typing import Any

from stac.problems import MEDIA_TYPE

type Document = dict[str, Any]

MEDIA_TYPE_OPENAPI = "application/vnd.oai.openapi+json;version=3.1"
PROBLEM: Document = {
    "title": "Problem",
    "description": "RFC 9457, with STAC's code and description",
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "description"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "what is wrong, and what to do about it"},
        "code": {"type": "string"},
        "description": {"type": "string", "description": "as `detail`"},
    },
}
_WHEN = {
    HTTPStatus.BAD_REQUEST: "A parameter or the body is wrong; `detail` says what to change",
    HTTPStatus.NOT_FOUND: "There is nothing of that name, or nothing there",
    HTTPStatus.CONFLICT: "There is one already, or it is in use, or is not what a patch expects it to be",
    HTTPStatus.NOT_ACCEPTABLE: "The form asked for is not served",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The request is too large; `detail` says by how much",
    HTTPStatus.UNPROCESSABLE_ENTITY: "A parameter or the body is not of its type",
    HTTPStatus.BAD_GATEWAY: "An image cannot be read from the object store",
    HTTPStatus.SERVICE_UNAVAILABLE: "The database cannot be reached just now, or the search took too long",
}
_COLLECTION = "/collections/{collection_id}"
_CONFLICTS = {
    ("post", "/collections"),
    *((method, _COLLECTION) for method in ("put", "patch", "delete")),
    ("post", f"{_COLLECTION}/items"),
    ("patch", f"{_COLLECTION}/items/{{item_id}}"),
}
"""What may find things as they should not be, where a writer is configured."""
_WITHOUT_DATABASE = ("/livez", "/_mgmt/ping", "/conformance")
_PROBLEM = {"$ref": "#/components/schemas/Problem"}
_HTML = "text/html"


def catalogue_statuses(path: str, method: str, operation: Document) -> list[HTTPStatus]:
    """The statuses with which the STAC API may refuse an operation."""
    asks = operation.get("parameters") or "requestBody" in operation
    statuses = [HTTPStatus.BAD_REQUEST] if asks else []
    if "{" in path:
        statuses.append(HTTPStatus.NOT_FOUND)
    if (method, path) in _CONFLICTS:
        statuses.append(HTTPStatus.CONFLICT)
    if "requestBody" in operation:
        statuses.append(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return statuses if path in _WITHOUT_DATABASE else [*statuses, HTTPStatus.SERVICE_UNAVAILABLE]


def tiler_statuses(path: str, method: str, operation: Document) -> list[HTTPStatus]:
    """The statuses with which the tiler may refuse an operation."""
    del path, method, operation
    return [status for status in _WHEN if status != HTTPStatus.CONFLICT]


def complete(document: Document, statuses: Callable[[str, str, Document], Iterable[HTTPStatus]]) -> Document:
    """The document with the problems that each operation may answer, instead of the framework's own errors.

    No HTML is promised.
    """
    document = _plain(document)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            responses = operation["responses"]
            responses.pop("422", None)
            for content in (response.get("content", {}) for response in responses.values()):
                content.pop(_HTML, None)
            for status in statuses(path, method, operation):
                responses.setdefault(str(int(status)), {"description": _WHEN[status]})
            for code in (code for code in responses if code.isdecimal() and int(code) >= HTTPStatus.BAD_REQUEST):
                responses[code] = responses[code] | {"content": {MEDIA_TYPE: {"schema": _PROBLEM}}}
            operation["responses"] = dict(sorted(responses.items()))
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = PROBLEM
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    return document


def with_fields(document: Document) -> Document:
    """The STAC API's document, where searches say that a choice of fields may leave out any part of what they list."""
    schemas = document["components"]["schemas"]
    for page, member, listed in (("ItemCollection", "features", "Item"), ("Collections", "collections", "Collection")):
        whole = schemas[page]["properties"][member]["items"]["$ref"].rpartition("/")[2]
        # Where a writer is configured, the other name is that of what a patch may hold.
        name = f"Partial{listed}" if f"Partial{listed}" not in schemas else f"Listed{listed}"
        schemas[name] = {key: value for key, value in schemas[whole].items() if key != "required"} | {"title": name}
        schemas[page]["properties"][member]["items"] = {"$ref": f"#/components/schemas/{name}"}
        # With a writer there are several models of the name, and FastAPI calls each by its module.
        schemas.setdefault(listed, {"$ref": f"#/components/schemas/{whole}"})
    return document


def with_patches(document: Document) -> Document:
    """The STAC API's document, where a patch that says it is JSON is an object; one that is a list has its own type.

    stac-fastapi makes it a choice of both and has the properties of an object beside it, which no list can have.
    """
    for methods in document["paths"].values():
        for media in methods.get("patch", {}).get("requestBody", {}).get("content", {}).values():
            if "anyOf" in media["schema"]:
                media["schema"] = media["schema"]["anyOf"][0]
    return document


def told(app: Any, *changes: Callable[[Document], Document]) -> None:
    """Have a FastAPI application tell its document after these changes."""
    original = app.openapi

    def openapi() -> Document:
        if not app.openapi_schema:
            document = original()
            for change in changes:
                document = change(document)
            app.openapi_schema = document
        told_: Document = app.openapi_schema
        return told_

    app.openapi = openapi


catalogue = partial(complete, statuses=catalogue_statuses)
tiler = partial(complete, statuses=tiler_statuses)


def _plain(node: Any) -> Any:
    """Tuples as arrays of that length, of what may stand in any place: few tools read `prefixItems`."""
    if isinstance(node, list):
        return [_plain(each) for each in node]
    if not isinstance(node, dict):
        return node
    walked = {key: _plain(value) for key, value in node.items()}
    parts = walked.pop("prefixItems", None)
    if not parts:
        return walked
    kinds = [part for place, part in enumerate(parts) if part not in parts[:place]]
    items = kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
    return {"minItems": len(parts), "maxItems": len(parts)} | walked | {"items": items}
