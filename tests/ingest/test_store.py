"""The object store as ingestion sees it: whatever goes wrong names the object, and says whether to try again."""

import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from ingest.errors import StoreAwayError, StoreError
from ingest.store import Store
from stac.settings import Settings

KEY = "a/b.tif"


class Cutting(socketserver.BaseRequestHandler):
    """Promises a hundred bytes, sends ten, and hangs up."""

    def handle(self) -> None:
        self.request.recv(65536)
        self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nETag: x\r\n\r\n0123456789")


@pytest.fixture
def cut_off() -> Iterator[Store]:
    """A store whose objects never arrive whole."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Cutting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Store.connect(
            Settings(
                s3_endpoint=f"http://127.0.0.1:{server.server_address[1]}",
                aws_access_key_id="key",
                aws_secret_access_key=SecretStr("of-nobody"),
            )
        )
        server.shutdown()


@pytest.mark.parametrize(
    "read",
    [
        lambda store, _: store.get(KEY),
        lambda store, _: store.get_range(KEY, 0, 50),
        lambda store, path: store.get_file(KEY, path),
    ],
    ids=["get", "get_range", "get_file"],
)
def test_an_object_that_breaks_off_is_worth_another_try(
    cut_off: Store, tmp_path: Path, read: Callable[..., object]
) -> None:
    with pytest.raises(StoreAwayError, match=KEY):
        read(cut_off, tmp_path / "b.tif")


def test_objects_are_read_whole_and_in_part(settings: Settings) -> None:
    store = Store.connect(settings)
    store.put_document(KEY, b"0123456789", "text/plain")
    assert store.get(KEY) == b"0123456789"
    assert store.get_range(KEY, 0, 4) == b"0123"
    assert store.get_range(KEY, 8, 4) == b"89"
    assert dict(store.entries()).keys() == store.sizes("").keys() == set(store.keys())
    assert store.sizes("a/") == {KEY: 10}
    store.remove([KEY])
    for read in (store.get, lambda key: store.get_range(key, 2, 4)):
        with pytest.raises(StoreError, match=KEY) as raised:
            read(KEY)
        assert not isinstance(raised.value, StoreAwayError)  # it is the object that is away
