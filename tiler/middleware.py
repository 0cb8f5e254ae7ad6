"""What every answer passes: cache headers, the items left out, and no HTML page that loads scripts elsewhere."""

import re
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tiler.errors import problem

_TILE = re.compile(r"/(tiles|preview|bbox|feature|tilejson\.json|WMTSCapabilities\.xml)")
_SHOWN_ITEMS = 20


class CacheHeaders:
    """`Cache-Control` where the endpoint sets none, and `X-Unreadable-Items` where a mosaic left items out.

    An item's images never change (a changed file is a new object), a mosaic may gain items at any time.
    """

    def __init__(self, app: ASGIApp, *, item_seconds: int = 3600, mosaic_seconds: int = 60) -> None:
        self.app = app
        self.item_seconds = item_seconds
        self.mosaic_seconds = mosaic_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and complete the headers of the answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def complete(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._complete(scope, message)
            await send(message)

        await self.app(scope, receive, complete)

    def _complete(self, scope: Scope, message: Message) -> None:
        headers = MutableHeaders(scope=message)
        left_out: list[str] = scope.get("state", {}).get("unreadable") or []
        if left_out:
            headers["X-Unreadable-Items"] = ",".join(left_out[:_SHOWN_ITEMS])
        if "cache-control" not in headers and scope["method"] in ("GET", "HEAD"):
            fit = message["status"] == 200 and not left_out and _TILE.search(scope["path"])  # noqa: PLR2004
            headers["Cache-Control"] = self._seconds(scope["path"]) if fit else "no-store"

    def _seconds(self, path: str) -> str:
        immutable = "/items/" in path or "/cog/" in path
        return f"public, max-age={self.item_seconds if immutable else self.mosaic_seconds}"


class NoViewers:
    """TiTiler's HTML pages load scripts from CDNs: every such answer is JSON instead, and `f=html` is refused."""

    def __init__(self, app: ASGIApp, *, page: str = "/app") -> None:
        self.app = app
        self.page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on with an `Accept` that asks for no HTML."""
        if scope["type"] != "http" or self._is_page(scope):
            await self.app(scope, receive, send)
            return
        if "html" in parse_qs(scope["query_string"].decode("latin-1")).get("f", []):
            answer = problem(406, "HTML pages are not served here: leave f out, or ask for f=json")
            await answer(scope, receive, send)
            return
        if "text/html" in Headers(scope=scope).get("accept", ""):
            scope = {**scope, "headers": _without_html(scope["headers"])}
        await self.app(scope, receive, send)

    def _is_page(self, scope: Scope) -> bool:
        path: str = scope["path"].removeprefix(scope.get("root_path", ""))
        return path == self.page or path.startswith(f"{self.page}/")


def _without_html(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, Any]]:
    return [(name, b"*/*" if name == b"accept" else value) for name, value in headers]
