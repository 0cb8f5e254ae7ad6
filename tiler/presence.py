"""Whether anybody still waits for an answer."""

import asyncio
from collections.abc import Callable
from threading import Event
from typing import Any

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from tiler.series.errors import GoneError

CLIENT_CLOSED_REQUEST = 499
"""Nobody reads it; nginx has named it so."""


async def while_wanted[T](request: Request, work: Callable[[Event], T]) -> T | Response:
    """What `work` answers, from a thread; the event that it is given is set when the client has gone."""
    gone = Event()
    watch = asyncio.create_task(_watch(request, gone))
    try:
        return await run_in_threadpool(work, gone)
    except GoneError:
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    finally:
        watch.cancel()


class Lines(StreamingResponse):
    """A streamed answer that sets `gone` when its client goes away, or has all of it."""

    def __init__(self, *args: Any, gone: Event, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.gone = gone

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.gone.set()


async def _watch(request: Request, gone: Event) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    gone.set()
