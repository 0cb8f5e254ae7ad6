"""The page's types, from the OpenAPI documents of both services, for what the page asks of them.

Written to `tiler/web/src/openapi/` by `make types`; `tests/web/test_types.py` says when they are no longer true.
openapi-typescript needs the TypeScript 5 beside it, in this folder: the page's own TypeScript 7 has no API.
"""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from stac.api import create_app as create_stac
from stac.settings import Settings
from tiler.app import create_app as create_tiler

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "tiler" / "web" / "src" / "openapi"
GENERATOR = Path(__file__).parent / "node_modules" / ".bin" / "openapi-typescript"
_SERIES = "/collections/{collection_id}/timeseries"
ASKED: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "stac": {
        "/search": (),
        "/status/coverage": ("get",),
        "/areas/requests": ("post",),
        "/collections/{collection_id}/items/{item_id}": (),
    },
    "raster": {
        "/places": ("post",),
        f"{_SERIES}/point/{{place}}": ("get",),
        f"{_SERIES}/statistics.{{suffix}}": ("post",),
        f"{_SERIES}/jobs": ("get", "post"),
        "/collections/{collection_id}/tiles/{tileMatrixSetId}/{z}/{x}/{y}.{format}": (),
        "/collections/{collection_id}/items/{item_id}/tiles/{tileMatrixSetId}/{z}/{x}/{y}.{format}": (),
    },
}
"""By service and path the methods whose answers the page reads.

None of images; nor of items, of which the page asks for some fields of extensions that OpenAPI knows nothing about.
"""
_WORDS = ("title", "description", "summary")
_SCHEMAS = {"raster": ("SeriesRow", "SeriesSummary", "SeriesStop")}
"""What no operation refers to: the lines of a stream."""


def documents() -> dict[str, dict[str, Any]]:
    """Both OpenAPI documents, without what the page does not ask for. Needs neither database nor store."""
    settings = Settings(aws_access_key_id="none", aws_secret_access_key=SecretStr("none"))
    whole = {"stac": create_stac(settings).openapi(), "raster": create_tiler(settings).openapi()}
    return {name: _pruned(document, ASKED[name], _SCHEMAS.get(name, ())) for name, document in whole.items()}


def types_of(document: Mapping[str, Any]) -> str:
    """The types of a document, as openapi-typescript writes them."""
    path = f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        [GENERATOR, "--immutable", "--root-types", "--root-types-no-schema-prefix"],
        input=json.dumps(document),
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _pruned(document: Mapping[str, Any], asked: Mapping[str, tuple[str, ...]], more: tuple[str, ...]) -> dict[str, Any]:
    """The answers of the operations asked for, and the schemas that these, or `more`, refer to."""
    paths = {path: {method: _answers(document["paths"][path][method]) for method in asked[path]} for path in asked}
    schemas = document["components"]["schemas"]
    wanted = [*_names(paths), *more]
    kept: dict[str, Any] = {}
    while wanted:
        name = wanted.pop()
        if name not in kept:
            kept[name] = schemas[name]
            wanted += _names(schemas[name])
    told = {"paths": _terse(paths), "components": {"schemas": _terse(dict(sorted(kept.items())))}}
    return {"openapi": document["openapi"], "info": {"title": document["info"]["title"], "version": ""}, **told}


def _answers(operation: Mapping[str, Any]) -> dict[str, Any]:
    """An operation with its successful answers: what the page sends is put together by hand."""
    return {"responses": {code: answer for code, answer in operation["responses"].items() if code.startswith("2")}}


def _terse(node: Any) -> Any:
    """Without words, which change more often than what they are said of."""
    if isinstance(node, list):
        return [_terse(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {key: _terse(value) for key, value in node.items() if not (key in _WORDS and isinstance(value, str))}


def _names(node: Any) -> Iterator[str]:
    """The schemas that a part of a document refers to."""
    if isinstance(node, list):
        for each in node:
            yield from _names(each)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value.rpartition("/")[2]
            else:
                yield from _names(value)


if __name__ == "__main__":
    TARGET.mkdir(exist_ok=True)
    for service, document in documents().items():
        (TARGET / f"{service}.d.ts").write_text(types_of(document))
