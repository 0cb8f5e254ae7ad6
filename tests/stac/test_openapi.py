from __future__ import annotations

from typing import Any

from stac.openapi import PROBLEM, catalogue, tiler, with_fields, with_patches

REFUSED = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def document(path: str, method: str = "get", **operation: Any) -> dict[str, Any]:
    responses = {"200": {"content": {"application/json": {}, "text/html": {}}}, "422": {"description": "theirs"}}
    return {"paths": {path: {method: {"responses": responses} | operation}}}


def codes(path: str, method: str = "get", **operation: Any) -> list[str]:
    told = catalogue(document(path, method, **operation))
    return list(told["paths"][path][method]["responses"])


def test_the_statuses_are_those_that_an_operation_may_have() -> None:
    assert codes("/livez") == ["200"]
    assert codes("/queryables") == ["200", "503"]
    assert codes("/search", parameters=[{}]) == ["200", "400", "503"]
    assert codes("/search", requestBody={}) == ["200", "400", "413", "503"]
    assert codes("/collections/{collection_id}", parameters=[{}]) == ["200", "400", "404", "503"]
    assert codes("/collections", "post", requestBody={}) == ["200", "400", "409", "413", "503"]


def test_refusals_are_problem_documents_and_no_page_is_promised() -> None:
    for told in (catalogue(document("/search", parameters=[{}])), tiler(document("/cog/info"))):
        (operation,) = (each["get"] for each in told["paths"].values())
        assert list(operation["responses"]["200"]["content"]) == ["application/json"]
        refusals = [each for code, each in operation["responses"].items() if code != "200"]
        assert all(each["description"] != "theirs" and each["content"] == REFUSED for each in refusals)
        assert told["components"]["schemas"] == {"Problem": PROBLEM}


def test_what_an_endpoint_says_itself_of_a_refusal_stays() -> None:
    told = tiler(document("/series", responses={"200": {}, "413": {"description": "over a limit"}}))

    assert told["paths"]["/series"]["get"]["responses"]["413"] == {"description": "over a limit", "content": REFUSED}


def test_tuples_are_arrays_of_their_length() -> None:
    same = {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "integer"}]}
    mixed = {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}]}
    told = tiler({"paths": {}, "components": {"schemas": {"Same": same, "Mixed": mixed}}})["components"]["schemas"]

    assert told["Same"] == {"type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "integer"}}
    assert told["Mixed"]["items"] == {"anyOf": [{"type": "string"}, {"type": "integer"}]}


def test_a_page_may_hold_what_a_choice_of_fields_left() -> None:
    item = {"type": "object", "required": ["id"]}
    page = {"properties": {"features": {"type": "array", "items": {"$ref": "#/components/schemas/Item"}}}}
    pages = {"properties": {"collections": {"type": "array", "items": {"$ref": "#/components/schemas/Collection"}}}}
    schemas = {"Item": item, "Collection": item, "ItemCollection": page, "Collections": pages}
    told = with_fields({"components": {"schemas": schemas}})["components"]["schemas"]

    assert told["ItemCollection"]["properties"]["features"]["items"] == {"$ref": "#/components/schemas/PartialItem"}
    assert told["PartialItem"] == {"type": "object", "title": "PartialItem"}
    assert told["Item"]["required"] == ["id"]


def test_a_patch_is_an_object_or_of_a_type_of_its_own() -> None:
    kinds = [{"type": "object"}, {"type": "array"}]
    mixed = {"anyOf": kinds, "type": "object", "properties": {"id": {}}, "title": "PartialItem"}
    plain = {"type": "array", "items": {}}
    content = {"application/json": {"schema": mixed}, "application/json-patch+json": {"schema": plain}}
    told = with_patches({"paths": {"/a": {"patch": {"requestBody": {"content": content}}, "get": {}}}})
    content = told["paths"]["/a"]["patch"]["requestBody"]["content"]
    assert content["application/json"]["schema"] == {"type": "object"}
    assert content["application/json-patch+json"]["schema"] == plain
