import hashlib

import pytest
from blake3 import blake3

from ingest.sources.checksums import Checksum
from ingest.sources.errors import CorruptError, RefusedError

CONTENT = b"Sentinel" * 1000
DIGESTS = {
    "md5": hashlib.md5(CONTENT).hexdigest(),
    "sha256": hashlib.sha256(CONTENT).hexdigest(),
    "sha3_256": hashlib.sha3_256(CONTENT).hexdigest(),
    "blake3": blake3(CONTENT).hexdigest(),
}
MULTIHASHES = {"md5": "d50110", "sha256": "1220", "sha3_256": "1620", "blake3": "1e20"}


@pytest.mark.parametrize("algorithm", DIGESTS)
def test_a_file_is_compared_with_what_it_should_be(tmp_path, algorithm):
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    checksum = Checksum.multihash(MULTIHASHES[algorithm] + DIGESTS[algorithm].upper())
    assert checksum == Checksum.named(algorithm.upper().replace("_", "-"), DIGESTS[algorithm])
    assert checksum is not None
    checksum.check(path)
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(CorruptError, match=DIGESTS[algorithm]):
        checksum.check(path)


def test_names_as_providers_write_them():
    assert Checksum.named("SHA3-256", DIGESTS["sha3_256"]) == Checksum("sha3_256", DIGESTS["sha3_256"])
    assert Checksum.named("SHA-256", DIGESTS["sha256"]) == Checksum("sha256", DIGESTS["sha256"])


def test_what_is_unknown_is_none_and_what_is_cut_is_refused():
    assert Checksum.named("CRC32", "12345678") is None
    assert Checksum.named("MD5", DIGESTS["sha256"]) is None
    assert Checksum.multihash("") is None
    assert Checksum.multihash("b22020" + DIGESTS["md5"]) is None
    with pytest.raises(RefusedError, match="md5 has 16 bytes"):
        Checksum.multihash("d50110" + DIGESTS["md5"][:-2])
