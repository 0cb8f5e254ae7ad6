"""Answers compressed as hard as they are worth: for both services, by starlette-cramjam.

Most clients ask for gzip, which for a page of a hundred items takes cramjam 8 ms and ISA-L one, at the same size.
zstd, which browsers take, is as quick and a quarter smaller, and therefore comes first.
"""

from types import SimpleNamespace
from typing import Any

from cramjam import Buffer
from isal import isal_zlib
from starlette.types import ASGIApp
from starlette_cramjam.compression import Compression
from starlette_cramjam.middleware import CompressionMiddleware

_LEVEL = 2
_GZIP = 16 + isal_zlib.MAX_WBITS  # by zlib's convention: with gzip's header


class _Compressor:
    """ISA-L's gzip of one answer, by cramjam's interface."""

    def __init__(self, level: int) -> None:
        self._stream = isal_zlib.compressobj(level, wbits=_GZIP)
        self._ready = b""

    def compress(self, data: bytes) -> None:
        self._ready += self._stream.compress(data)

    def flush(self) -> Buffer:
        return self._taken(self._stream.flush(isal_zlib.Z_SYNC_FLUSH))

    def finish(self) -> Buffer:
        return self._taken(self._stream.flush())

    def _taken(self, rest: bytes) -> Buffer:
        ready, self._ready = self._ready + rest, b""
        return Buffer(ready)


_gzip = SimpleNamespace(name="gzip", compress=SimpleNamespace(Compressor=_Compressor))
_BACKENDS: list[Any] = [Compression.zstd, _gzip, Compression.br, Compression.deflate]


class Compressed(CompressionMiddleware):
    """The middleware; `options` are its own."""

    def __init__(self, app: ASGIApp, /, **options: Any) -> None:
        super().__init__(app, compression=_BACKENDS, compression_level=_LEVEL, **options)
