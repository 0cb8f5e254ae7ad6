"""What every request to the STAC API passes: answers to HEAD and plain OPTIONS, a limit on bodies, hosts."""

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.routing import Match

from stac.problems import MEDIA_TYPE, problem

type Message = MutableMapping[str, Any]
type Scope = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[Message]]
type Send = Callable[[Message], Awaitable[None]]
type App = Callable[[Scope, Receive, Send], Awaitable[None]]

LARGEST_BODY = 1_000_000
"""Bytes in the body of a search, and of one document."""
LARGEST_BATCH = 50_000_000
"""Bytes in the body of many items at once."""

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_BODIES = ("POST", "PUT", "PATCH")
_BATCHES = ("/items", "/bulk_items")
_HOSTS = {b"host", b"forwarded", b"x-forwarded-host", b"x-forwarded-proto", b"x-forwarded-port"}
# Of no address; quotes may stand in `Forwarded`.
_UNSAFE = frozenset(b"<>\\^`{|}") | frozenset(range(32))


@dataclass(frozen=True, kw_only=True)
class Limit:
    """Bytes that a body may have, and what to do about more."""

    most: int
    advice: str


_BODY = Limit(most=LARGEST_BODY, advice="simplify its geometry, or split it into several requests")
_BATCH = Limit(most=LARGEST_BATCH, advice="send fewer items at once")


def catalogue_limit(path: str) -> Limit:
    """How large a body the STAC API takes."""
    return _BATCH if path.endswith(_BATCHES) else _BODY


def _too_large(reason: str) -> Response:
    document = problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, reason)
    return JSONResponse(document, document["status"], media_type=MEDIA_TYPE)


class PlainOptions:
    """Answers OPTIONS that are no CORS preflight, which the routes would refuse with 405."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on everything else, and what no route is for."""
        if scope["type"] == "http" and scope["method"] == "OPTIONS":
            names = {name for name, _ in scope["headers"]}
            methods = allowed(scope)
            if methods and not {b"origin", b"access-control-request-method"} <= names:
                headers = {"Allow": ", ".join(methods), "Access-Control-Allow-Origin": "*"}
                await Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)(scope, receive, send)
                return
        await self.app(scope, receive, send)


def allowed(scope: Scope) -> list[str]:
    """The methods that the path of a request has."""
    routes = scope["app"].routes
    methods = [
        method
        for method in _METHODS
        if any(route.matches({**scope, "method": method})[0] is Match.FULL for route in routes)
    ]
    heads = ["HEAD"] if "GET" in methods else []
    return [*methods, *heads, "OPTIONS"] if methods else []


class Heads:
    """Answers HEAD as GET, without the body: FastAPI's routes know no HEAD."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on everything else."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        await self.app({**scope, "method": "GET"}, receive, send_head)


class BodyLimit:
    """Refuses bodies that are larger than any sensible one, without reading on.

    `limit` tells for a path how many bytes there may be, and what to do about more; None: the endpoint sees to it.
    `refuse` makes an answer of the reason.
    """

    def __init__(
        self, app: App, limit: Callable[[str], Limit | None], refuse: Callable[[str], Response] = _too_large
    ) -> None:
        self.app, self.limit, self.refuse = app, limit, refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what has no body."""
        limit = self.limit(scope["path"]) if scope["type"] == "http" and scope["method"] in _BODIES else None
        if limit is None:
            await self.app(scope, receive, send)
            return
        most, reason = limit.most, f"the body has more than {limit.most} bytes: {limit.advice}"
        length = Headers(scope=scope).get("content-length", "0")
        if length.isdecimal() and int(length) > most:
            await self.refuse(reason)(scope, receive, send)
            return
        read = 0

        async def receive_within() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > most:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, reason)
            return message

        await self.app(scope, receive_within, send)


class PlainHosts:
    """Refuses a host that is no text: the links of every answer begin with it. Quotes in `Forwarded` are taken off."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on everything else."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if not all(_plain(value) for name, value in scope["headers"] if name in _HOSTS):
            document = problem(HTTPStatus.BAD_REQUEST, "the header that names the host is no plain text")
            await JSONResponse(document, document["status"], media_type=MEDIA_TYPE)(scope, receive, send)
            return
        # RFC 7239 has quotes where a host has a port; stac-fastapi knows none.
        headers = [
            (name, value.replace(b'"', b"") if name == b"forwarded" else value) for name, value in scope["headers"]
        ]
        await self.app({**scope, "headers": headers}, receive, send)


def _plain(value: bytes) -> bool:
    return value.isascii() and not _UNSAFE.intersection(value)
