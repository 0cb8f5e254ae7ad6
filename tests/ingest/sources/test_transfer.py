"""One file, from servers that are not what they should be."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ingest.sources.base import File, Quiet
from ingest.sources.checksums import Checksum
from ingest.sources.errors import PassingError, RefusedError
from ingest.sources.transfer import fetch
from ingest.sources.web import Web


@contextmanager
def answering(*answers: bytes) -> Iterator[str]:
    """A server that gives each connection the next of `answers`, as they stand, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for answer in answers:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/file"
        thread.join(10)


@pytest.fixture
def web(fast):
    one = Web("test", connections=1, policy=fast)
    yield one
    one.close()


CLOSED = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc"
MD5 = Checksum("md5", "900150983cd24fb0d6963f7d28e17f72")


def test_a_file_whose_length_nobody_tells_is_refused(web, tmp_path):
    with answering(CLOSED) as url, pytest.raises(RefusedError, match="how long"):
        fetch(web, File(path="file", href=url), tmp_path / "file", Quiet())
    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize("known", [{"size": 3}, {"checksums": (MD5,)}])
def test_a_size_or_a_checksum_is_enough(web, tmp_path, known):
    with answering(CLOSED) as url:
        assert fetch(web, File(path="file", href=url, **known), tmp_path / "file", Quiet())
    assert (tmp_path / "file").read_bytes() == b"abc"


def test_a_file_longer_than_it_should_be_is_cut_off(web, tmp_path):
    with answering(CLOSED) as url, pytest.raises(RefusedError, match="more than the 2 bytes"):
        fetch(web, File(path="file", href=url, size=2), tmp_path / "file", Quiet())
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_ends_too_soon_is_never_whole(web, tmp_path):
    with answering(CLOSED, CLOSED, CLOSED) as url, pytest.raises(PassingError, match="3 bytes of 4"):
        fetch(web, File(path="file", href=url, size=4), tmp_path / "file", Quiet())
    assert not (tmp_path / "file").exists()


def test_a_range_that_begins_elsewhere_is_not_appended(web, tmp_path):
    (tmp_path / "file.part").write_bytes(b"ab")
    wrong = b"HTTP/1.1 206 Partial Content\r\nContent-Length: 1\r\nContent-Range: bytes 0-0/3\r\n\r\na"
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
    with answering(wrong, whole) as url:
        fetch(web, File(path="file", href=url, size=3, checksums=(MD5,)), tmp_path / "file", Quiet())
    assert (tmp_path / "file").read_bytes() == b"abc"


def test_what_is_no_http_is_worth_another_try(web, tmp_path):
    with answering(b"SSH-2.0-x\r\n", b"", b"HTTP/1.1 999999\r\n\r\n") as url, pytest.raises(PassingError):
        fetch(web, File(path="file", href=url, size=3), tmp_path / "file", Quiet())
