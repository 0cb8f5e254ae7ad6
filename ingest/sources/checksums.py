"""Checksums as providers write them: an algorithm by name, or a multihash. Compared with what lies on the disk."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from blake3 import blake3

from ingest.sources.errors import CorruptError, RefusedError

_CHUNK = 1024**2
_ALGORITHMS: dict[str, tuple[Callable[[], Any], int]] = {
    "md5": (lambda: hashlib.md5(usedforsecurity=False), 16),
    "sha256": (hashlib.sha256, 32),
    "sha3_256": (hashlib.sha3_256, 32),
    "blake3": (blake3, 32),
}
"""Name -> hasher and length of its digest in bytes."""

_MULTIHASH = {"d501": "md5", "12": "sha256", "16": "sha3_256", "1e": "blake3"}
"""Code of the function as an unsigned varint, in hex. Source: https://github.com/multiformats/multicodec."""


@dataclass(frozen=True)
class Checksum:
    """A digest in lower-case hex, and how it is made."""

    algorithm: str
    digest: str

    @classmethod
    def named(cls, algorithm: str, digest: str) -> Self | None:
        """Such as `MD5` or `SHA3-256` with its digest; None where the algorithm is unknown or the digest is none."""
        name = algorithm.strip().lower().replace("-", "_")
        name = "sha256" if name == "sha_256" else name
        text = digest.strip().lower()
        known = _ALGORITHMS.get(name)
        return cls(name, text) if known and _is_hex(text, known[1]) else None

    @classmethod
    def multihash(cls, text: str) -> Self | None:
        """STAC's `file:checksum`: code, length, digest; None where the function is unknown.

        Raises `RefusedError` where a known code is followed by something else than its digest.
        """
        value = text.strip().lower()
        for code, name in _MULTIHASH.items():
            head = f"{code}{_ALGORITHMS[name][1]:02x}"
            if value.startswith(head):
                if not _is_hex(digest := value.removeprefix(head), _ALGORITHMS[name][1]):
                    raise RefusedError(f"{text!r} is no multihash: {name} has {_ALGORITHMS[name][1]} bytes")
                return cls(name, digest)
        return None

    def check(self, path: Path) -> None:
        """Raise `CorruptError`, which names both digests, unless the file has this one."""
        hasher = _ALGORITHMS[self.algorithm][0]()
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                hasher.update(chunk)
        if (found := hasher.hexdigest()) != self.digest:
            raise CorruptError(f"{path.name}: {self.algorithm} is {found}, should be {self.digest}: thrown away")


def _is_hex(text: str, size: int) -> bool:
    return len(text) == 2 * size and set(text) <= set("0123456789abcdef")
