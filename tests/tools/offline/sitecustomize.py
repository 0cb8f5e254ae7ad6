"""On the PYTHONPATH of a validator, this answers its requests for public JSON schemas from the folder SCHEMA_MIRROR.

The folder is laid out as host/path. This machine is reached as ever; any other host is refused at once, so that a
schema that is missing is an error that says its address and not a timeout.
"""

import io
import os
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import BaseHandler, Request, build_opener, install_opener
from urllib.response import addinfourl

from urllib3 import HTTPResponse
from urllib3.connectionpool import HTTPConnectionPool

_MIRROR = Path(os.environ["SCHEMA_MIRROR"])
_OURSELVES = {"127.0.0.1", "localhost", "::1"}
_JSON = {"content-type": "application/json"}


def _copy(host: str, path: str) -> Path | None:
    """The copy of a document, if there is one."""
    file = _MIRROR / host / urlsplit(path).path.lstrip("/")
    return file if file.is_file() else None


class _Mirror(BaseHandler):
    """What `urllib` asks of other hosts; a handler that returns None passes the request on."""

    handler_order = 100  # before urllib's own

    def https_open(self, request: Request) -> addinfourl | None:
        host = urlsplit(request.full_url).hostname or ""
        if host in _OURSELVES:
            return None
        copy = _copy(host, request.full_url)
        if copy is None:
            raise URLError(f"not in the mirror: {request.full_url}")
        headers = Message()
        headers["Content-Type"] = _JSON["content-type"]
        return addinfourl(copy.open("rb"), headers, request.full_url, 200)

    http_open = https_open


_open = HTTPConnectionPool.urlopen


def _urlopen(pool: HTTPConnectionPool, method: str, url: str, *args: Any, **options: Any) -> Any:
    """What urllib3, and `requests` through it, asks of other hosts."""
    if pool.host in _OURSELVES:
        return _open(pool, method, url, *args, **options)
    copy = _copy(pool.host, url)
    body = f'{{"detail": "not in the mirror: {pool.host}{url}"}}'.encode() if copy is None else copy.read_bytes()
    return HTTPResponse(
        body=io.BytesIO(body),
        headers=_JSON,
        status=404 if copy is None else 200,
        preload_content=options.get("preload_content", True),
        original_response=None,
    )


install_opener(build_opener(_Mirror))
HTTPConnectionPool.urlopen = _urlopen  # type: ignore[method-assign]
