"""One file from a provider to the disk: resumed where it broke off, verified, then renamed."""

import os
from pathlib import Path
from threading import Event
from typing import IO, Any

import httpx

from ingest.sources.base import File, Progress
from ingest.sources.errors import CorruptError, PassingError, RefusedError, SourceError, WithdrawnError
from ingest.sources.web import Web

SIZE_LIMIT = 8 * 1024**3
"""Bytes of one file; a full product is about 1 GB."""

_PARTIAL, _WHOLE, _BEYOND = 206, 200, 416


def fetch(web: Web, file: File, target: Path, progress: Progress, stop: Event | None = None) -> bool:
    """Fetch `file` to `target`, unless it is there; its bytes are in `target`.part until all are there and verified.

    Returns whether it is there: an optional one may not be. Raises `SourceError`; what has arrived is kept for another
    try, unless it is corrupt. With `stop` set it gives up soon.
    """
    if target.exists():
        if file.size in (None, target.stat().st_size):
            progress.advance(target.stat().st_size)
            return True
        target.unlink()
    target.parent.mkdir(parents=True, exist_ok=True)
    one = _Transfer(web, file, target, progress, stop or Event())
    try:
        web.policy.retrying(one.stop)(one.attempt)
    except WithdrawnError:
        if not file.optional:
            raise
        return False
    return True


class _Transfer:
    """The attempts at one file; `counted` bytes have been told to `progress`."""

    def __init__(self, web: Web, file: File, target: Path, progress: Progress, stop: Event) -> None:
        self.web, self.file, self.target, self.progress, self.stop = web, file, target, progress, stop
        self.part = target.with_name(f"{target.name}.part")
        self.tag = target.with_name(f"{target.name}.etag")
        self.counted = 0

    def attempt(self) -> None:
        """Get what is missing, check the whole, and give it its name."""
        if self.stop.is_set():
            raise SourceError(f"{self.file.path}: broken off")
        have = self._kept()
        if have == 0 or have != self.file.size:
            self._receive(have)
        self._verify()
        self.part.replace(self.target)
        self.tag.unlink(missing_ok=True)

    def _kept(self) -> int:
        """How many bytes an earlier attempt has left that can be gone on with."""
        have = self.part.stat().st_size if self.part.exists() else 0
        if have and (not self.file.resumable or have > (self.file.size or SIZE_LIMIT)):
            self._discard()
            have = 0
        self._count(have)
        return have

    def _receive(self, have: int) -> None:
        before = have
        allow = frozenset({_BEYOND}) if have else frozenset[int]()
        with self.web.stream("GET", self.file.href, headers=self._headers(have), allow=allow) as response:
            have = self._start(response, have)
            mode = "ab" if have else "wb"
            try:
                with self.part.open(mode) as stream:
                    self._copy(response, stream, have)
                    os.fsync(stream.fileno())
            except httpx.TransportError as error:
                now = self.part.stat().st_size
                self._count(now)
                what = f"{self.file.path}: cut after {now} bytes of {self.file.size or 'unknown'}: {error}"
                raise PassingError(what, progressed=now > before) from error

    def _headers(self, have: int) -> dict[str, str]:
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
            if self.tag.exists():
                headers["If-Range"] = self.tag.read_text()
        return headers

    def _start(self, response: httpx.Response, have: int) -> int:
        """Where the answer's bytes begin; what it says of size and range must agree with what is known."""
        if response.status_code == _BEYOND or (response.status_code == _PARTIAL and not _begins(response, have)):
            self._discard()
            raise PassingError(f"{self.file.path}: the provider cannot go on at byte {have}: from the start again")
        if response.status_code == _WHOLE:
            have = 0
        elif response.status_code != _PARTIAL:
            raise RefusedError(f"{self.file.path}: answered with {response.status_code}")
        self._count(have)
        rest = response.headers.get("content-length")
        known = self.file.size is not None or self.file.checksums or "transfer-encoding" in response.headers
        if rest is None and not known:
            raise RefusedError(f"{self.file.path}: nobody says how long it is: a part could not be told from the whole")
        if rest and self.file.size is not None and have + int(rest) != self.file.size:
            self._discard()
            raise CorruptError(f"{self.file.path}: offered with {have + int(rest)} bytes, should be {self.file.size}")
        etag = response.headers.get("etag", "")
        if etag.startswith('"'):  # a weak one does not tell that bytes are equal
            self.tag.write_text(etag)
        else:
            self.tag.unlink(missing_ok=True)
        return have

    def _copy(self, response: httpx.Response, stream: IO[Any], have: int) -> None:
        limit = SIZE_LIMIT if self.file.size is None else self.file.size
        for chunk in response.iter_raw():
            have += len(chunk)
            if have > limit:
                self._discard()
                raise RefusedError(f"{self.file.path}: more than the {limit} bytes it should have")
            stream.write(chunk)
            stream.flush()  # a killed download shall find it
            self._count(have)
            if self.stop.is_set():
                raise SourceError(f"{self.file.path}: broken off")

    def _verify(self) -> None:
        size = self.part.stat().st_size
        if self.file.size is not None and size != self.file.size:
            raise PassingError(f"{self.file.path}: {size} bytes of {self.file.size} arrived")
        try:
            for checksum in self.file.checksums:
                checksum.check(self.part)
        except CorruptError as error:
            self._discard()
            raise CorruptError(f"{self.file.path}: {error}") from error

    def _discard(self) -> None:
        self.part.unlink(missing_ok=True)
        self.tag.unlink(missing_ok=True)
        self._count(0)

    def _count(self, have: int) -> None:
        self.progress.advance(have - self.counted)
        self.counted = have


def _begins(response: httpx.Response, have: int) -> bool:
    """Whether a partial answer begins at byte `have`."""
    return str(response.headers.get("content-range", "")).startswith(f"bytes {have}-")
