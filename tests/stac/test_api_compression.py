"""Answers compressed in each way are the answers, whole or in parts."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING

import cramjam
import pytest
from backports import zstd
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from stac.api_compression import Compressed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

LINES = [f"line {number} of many that are much alike\n".encode() * 40 for number in range(50)]
TEXT = b"".join(LINES)
OPENED = {
    "zstd": zstd.decompress,
    "gzip": gzip.decompress,
    "br": lambda content: bytes(cramjam.brotli.decompress(content)),
    "deflate": lambda content: zlib.decompress(content, -zlib.MAX_WBITS),
    None: bytes,
}


async def _parts() -> AsyncIterator[bytes]:
    for line in LINES:
        yield line


async def _whole(_: Request) -> PlainTextResponse:
    return PlainTextResponse(TEXT)


async def _streamed(_: Request) -> StreamingResponse:
    return StreamingResponse(_parts())


@pytest.fixture(scope="module")
def client() -> TestClient:
    routes = [Route("/whole", _whole), Route("/parts", _streamed)]
    return TestClient(Starlette(routes=routes, middleware=[Middleware(Compressed)]))


@pytest.mark.parametrize("path", ["/whole", "/parts"])
@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        ("gzip", "gzip"),
        ("gzip, deflate", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip;q=1, zstd;q=0.5", "gzip"),
        ("br", "br"),
        ("deflate", "deflate"),
        ("identity", None),
    ],
)
def test_what_is_sent_is_the_answer(client: TestClient, path: str, accepted: str, chosen: str | None) -> None:
    with client.stream("GET", path, headers={"Accept-Encoding": accepted}) as answer:
        sent = b"".join(answer.iter_raw())

    assert answer.headers.get("content-encoding") == chosen
    assert OPENED[chosen](sent) == TEXT
    assert len(sent) < len(TEXT) / 5 or chosen is None


def test_the_parts_of_a_stream_are_sent_as_they_come(client: TestClient) -> None:
    unpacked = zlib.decompressobj(wbits=zlib.MAX_WBITS + 16)
    with client.stream("GET", "/parts", headers={"Accept-Encoding": "gzip"}) as answer:
        parts = [unpacked.decompress(part) for part in answer.iter_raw()]

    assert [part for part in parts if part] == LINES
