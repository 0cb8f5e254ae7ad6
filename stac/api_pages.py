"""What the STAC API serves beside the catalogue: probes, and its endpoints as OpenAPI and as a page."""

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, JSONResponse

from stac.api_docs import documentation_page
from stac.openapi import MEDIA_TYPE_OPENAPI


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

    async def openapi(request: Request) -> JSONResponse:
        root = request.scope.get("root_path", "").rstrip("/")
        return JSONResponse({**app.openapi(), "servers": [{"url": root or "/"}]}, media_type=MEDIA_TYPE_OPENAPI)

    app.add_api_route("/livez", alive, tags=["Health"], summary="The process answers")
    for path in ("/readyz", "/_mgmt/health"):
        app.add_api_route(path, ready, tags=["Health"], summary="The database answers, else 503")
        # Before the stock check of that path, which passes on the driver's words.
        app.router.routes.insert(0, app.router.routes.pop())
    app.add_api_route("/api", openapi, name="openapi", include_in_schema=False)
    # Before the stock one, which says that it is of version 3.0.
    app.router.routes.insert(0, app.router.routes.pop())
    # The landing page links to the route of this name.
    app.add_api_route("/api.html", documentation, name="swagger_ui_html", include_in_schema=False)
