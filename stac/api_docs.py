"""An API's documentation as a page: its endpoints in plain HTML, which Swagger UI or Redoc replace where they are.

The scripts are files of the web page, built from npm packages: no address elsewhere is asked, and the page's policy
would not allow it.
"""

import html
from typing import Any

from starlette.responses import HTMLResponse

_POLICY = "default-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'"
_STYLE = (
    "body{margin:0;font:16px/1.5 system-ui,sans-serif}nav{padding:8px 20px;display:flex;gap:20px}#docs>*{margin:20px}"
)


def documentation_page(openapi: dict[str, Any], openapi_url: str, assets: str) -> HTMLResponse:
    """The endpoints of `openapi`, which is served at `openapi_url`; the scripts lie below `assets`."""
    title, folder = html.escape(openapi["info"]["title"]), html.escape(assets)
    content = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>'
        f'<link rel="icon" href="{folder}/../icon.svg"><style>{_STYLE}</style>'
        f'<link rel="stylesheet" href="{folder}/swagger-ui.css"></head>'
        f'<body data-openapi="{html.escape(openapi_url)}" data-assets="{folder}"><nav aria-label="Views">'
        f'<a href="?view=try">Try it (Swagger UI)</a> <a href="?view=read">Read it (Redoc)</a> '
        f'<a href="{html.escape(openapi_url)}">OpenAPI</a></nav>'
        f'<main id="docs"><h1>{title}</h1><table>{_rows(openapi)}</table></main>'
        f'<script src="{folder}/api.js" defer></script></body></html>'
    )
    return HTMLResponse(content, headers={"Content-Security-Policy": _POLICY})


def _rows(openapi: dict[str, Any]) -> str:
    return "".join(
        f"<tr><td>{method.upper()}</td><td><code>{html.escape(path)}</code></td>"
        f"<td>{html.escape(operation.get('summary', ''))}</td></tr>"
        for path, operations in openapi["paths"].items()
        for method, operation in operations.items()
    )
