"""What the STAC API serves beside the catalogue: probes, a page of its endpoints, and answers to plain OPTIONS."""

from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, Response

from stac.api_docs import documentation_page

type Scope = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
type Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
type App = Callable[[Scope, Receive, Send], Awaitable[None]]


def add_probes(app: FastAPI) -> None:
    """Add the probes and the page of endpoints."""

    async def alive() -> dict[str, str]:
        return {"status": "UP"}

    async def ready(request: Request) -> dict[str, str]:
        async with request.app.state.get_connection(request, "r") as connection:
            return {"status": "UP", "pgstac": await connection.fetchval("SELECT pgstac.get_version()")}

    async def documentation(request: Request) -> HTMLResponse:
        # The page's own files lie at the root of the one origin.
        return documentation_page(request.app.openapi(), str(request.url_for("openapi")), "../docs")

    app.add_api_route("/livez", alive, tags=["Health"], summary="The process answers")
    for path in ("/readyz", "/_mgmt/health"):
        app.add_api_route(path, ready, tags=["Health"], summary="The database answers, else 503")
        # Before the stock check of that path, which passes on the driver's words.
        app.router.routes.insert(0, app.router.routes.pop())
    # The landing page links to the route of this name.
    app.add_api_route("/api.html", documentation, name="swagger_ui_html", include_in_schema=False)


class PlainOptions:
    """Answers OPTIONS that are no CORS preflight, which the routes would refuse with 405."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on everything else."""
        if scope["type"] == "http" and scope["method"] == "OPTIONS":
            names = {name for name, _ in scope["headers"]}
            if not {b"origin", b"access-control-request-method"} <= names:
                headers = {"Allow": "GET, HEAD, POST, OPTIONS", "Access-Control-Allow-Origin": "*"}
                await Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)(scope, receive, send)
                return
        await self.app(scope, receive, send)
