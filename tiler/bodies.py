"""Bodies of requests: as they come, or as a form with files; within limits, in memory."""

from collections.abc import AsyncGenerator
from pathlib import PurePosixPath

from fastapi import Request
from python_multipart.exceptions import FormParserError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from tiler.series.errors import SeriesRequestError, SeriesTooLargeError

UNNAMED = "upload"
_MOST_PARTS = 20


async def read_files(request: Request, limit: int) -> dict[str, bytes]:
    """Files of a form by name, or the body as one called `upload`.

    Raises `SeriesTooLargeError` over `limit` bytes, `SeriesRequestError` for a form that is broken or has no file.
    """
    body = await _read(request, limit)
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        return {UNNAMED: body}
    files = await _parsed(request, body)
    if not files:
        raise SeriesRequestError("the form holds no file: send the file as a part with a filename")
    return files


async def _read(request: Request, limit: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise SeriesTooLargeError(f"the body is over {limit} bytes: send fewer features or simpler outlines")
    return bytes(body)


async def _parsed(request: Request, body: bytes) -> dict[str, bytes]:
    async def once() -> AsyncGenerator[bytes, None]:
        yield body

    parser = MultiPartParser(request.headers, once(), max_files=_MOST_PARTS, max_fields=_MOST_PARTS)
    # What has been read into memory need not go to the disk.
    parser.spool_max_size = len(body) + 1
    try:
        form = await parser.parse()
        parts = [part for _, part in form.multi_items() if isinstance(part, UploadFile)]
        files = {PurePosixPath(part.filename or UNNAMED).name or UNNAMED: await part.read() for part in parts}
        await form.close()
    except (MultiPartException, FormParserError, KeyError, UnicodeDecodeError) as error:
        raise SeriesRequestError(f"the form is malformed ({str(error)[:100]}): send multipart/form-data") from error
    if len(files) < len(parts):
        raise SeriesRequestError("two files of the form have the same name: give each its own")
    return files
