"""The documentation page of the tiles and series, from the scripts that the page's build leaves in `static/docs`."""

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse

from stac.api_docs import documentation_page


def add_docs(app: FastAPI) -> None:
    """Add `/api.html`."""

    def documentation(request: Request) -> HTMLResponse:
        return documentation_page(request.app.openapi(), str(request.url_for("openapi")), "app/docs")

    app.add_api_route("/api.html", documentation, include_in_schema=False)
