"""Downloads from a provider in trouble: complete, verified and resumed, or nothing that looks like a product."""

import filecmp
import json
import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import pytest
from fakes.provider import PASSWORD, SECRET, Fault, Provider
from minio import Minio

from ingest.discover import find_products
from ingest.products import open_product
from ingest.sources import Quiet
from ingest.sources.errors import (
    CorruptError,
    CredentialsError,
    NoSpaceError,
    PassingError,
    RefusedError,
    SourceError,
    WithdrawnError,
)

WAYS = ("s3", "https")


class Told:
    """Progress as it is told."""

    def __init__(self) -> None:
        self.total = self.done = 0

    def expect(self, total: int) -> None:
        self.total += total

    def advance(self, count: int) -> None:
        self.done += count


def equal(one: Path, other: Path) -> bool:
    files = sorted(path.relative_to(other) for path in other.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    return filecmp.cmpfiles(one, other, list(map(str, files)), shallow=False) == (list(map(str, files)), [], [])


@pytest.fixture
def offer(cdse, january):
    return next(iter(sorted(cdse().search(january), key=lambda one: one.name)))


@pytest.fixture
def original(written) -> Path:
    return written[0]


@pytest.mark.parametrize("way", WAYS)
def test_a_product_arrives_as_it_is(cdse, offer, original, provider, tmp_path, way):
    told = Told()
    product = cdse(cdse_access=way).download(offer, tmp_path, told)
    assert product == tmp_path / f"{offer.name}.SAFE"
    assert equal(product, original)
    assert told.done == told.total == sum(path.stat().st_size for path in original.rglob("*") if path.is_file())
    assert find_products([str(tmp_path)]) == [str(product)]
    assert open_product(str(product)).scene.item_id == offer.name
    assert not any((tmp_path / ".downloads").iterdir())
    provider.forget()
    assert cdse(cdse_access=way).download(offer, tmp_path, Quiet()) == product
    assert provider.seen == []


def test_a_real_s3_accepts_our_signatures_and_ranges(cdse, offer, original, provider, store, tmp_path):
    endpoint, key, secret = store.values()
    client = Minio(
        endpoint.removeprefix("http://"), access_key=key, secret_key=secret, secure=False, region="us-east-1"
    )
    client.make_bucket("eodata")
    folder = next(iter(provider.products.values())).folder
    for path in (path for path in folder.rglob("*") if path.is_file()):
        client.fput_object("eodata", path.relative_to(provider.room / "eodata").as_posix(), str(path))
    begun = next(original.rglob("*B04_10m.jp2"))
    part = tmp_path / ".downloads" / original.name / begun.relative_to(original).parent / f"{begun.name}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(begun.read_bytes()[:5000])
    told = Told()
    product = cdse(cdse_s3_endpoint=endpoint, cdse_s3_key=key, cdse_s3_secret=secret).download(offer, tmp_path, told)
    assert equal(product, original)
    assert provider.files() == []
    wrong = cdse(cdse_s3_endpoint=endpoint, cdse_s3_key=key, cdse_s3_secret="something-else")
    with pytest.raises(CredentialsError, match="403"):
        wrong.download(offer, tmp_path / "other", Quiet())


def test_a_whole_zip_is_checked_against_the_catalogue(cdse, offer, original, provider, tmp_path):
    provider.faults = [Fault(r"\)/\$value", cut=5000), Fault(r"\)/\$value", corrupt=True)]
    product = cdse(cdse_access="zip").download(offer, tmp_path, Quiet())
    with ZipFile(product) as archive:
        archive.extractall(tmp_path / "out")
    assert equal(tmp_path / "out" / original.name, original)
    assert {one.range for one in provider.files()} == {None}  # a range of a zip cannot be had
    assert len(provider.files()) == 3


@pytest.mark.parametrize("way", WAYS)
def test_a_cut_file_is_gone_on_with_where_it_broke_off(cdse, offer, original, provider, tmp_path, way):
    provider.faults = [Fault("B04_10m", cut=3000, times=3)]
    product = cdse(cdse_access=way).download(offer, tmp_path, Quiet())
    assert equal(product, original)
    first, *rest = [one.range for one in provider.files("B04_10m")]
    assert first is None
    assert [int(text.removeprefix("bytes=").rstrip("-")) for text in rest] == [3072, 6144, 9216]


def test_a_file_replaced_at_the_provider_is_not_mixed_with_its_older_self(cdse, offer, provider, tmp_path):
    other = Path(next(iter(provider.products.values())).folder)
    path = next(other.rglob("MTD_DS.xml"))
    before = path.read_bytes()
    provider.faults = [Fault("MTD_DS", cut=1024), Fault("MTD_DS", status=500, times=99)]
    with pytest.raises(PassingError, match="500"):
        cdse().download(offer, tmp_path, Quiet())
    path.write_bytes(before[:-8] + b"XXXXXXXX")
    provider.faults = []
    try:
        with pytest.raises(CorruptError, match=r"sha3_256 is"):
            cdse().download(offer, tmp_path, Quiet())
        # If-Range with the old ETag: whole, from the start, every time.
        assert [one.status for one in provider.files("MTD_DS") if one.range] == [500, 500, 500, 200]
    finally:
        path.write_bytes(before)
    assert cdse().download(offer, tmp_path, Quiet()).exists()


@pytest.mark.parametrize("way", WAYS)
def test_a_corrupt_file_is_thrown_away_and_fetched_again(cdse, offer, original, provider, tmp_path, way):
    provider.faults = [Fault("B08_10m", corrupt=True)]
    told = Told()
    assert equal(cdse(cdse_access=way).download(offer, tmp_path, told), original)
    assert told.done == told.total
    assert len(provider.files("B08_10m")) == 2


def test_a_file_that_stays_corrupt_is_never_accepted(cdse, offer, provider, tmp_path):
    provider.faults = [Fault("B08_10m", corrupt=True, times=99)]
    with pytest.raises(CorruptError, match=r"B08_10m\.jp2.*sha3_256 is .*, should be .*thrown away"):
        cdse().download(offer, tmp_path, Quiet())
    assert find_products([str(tmp_path)]) == []
    assert list(tmp_path.rglob("*B08_10m*")) == []


@pytest.mark.parametrize("status", [429, 503, 500, 502])
def test_a_busy_provider_is_tried_again(cdse, offer, original, provider, tmp_path, status):
    provider.faults = [Fault("R20m", status=status, retry_after="0", times=2)]
    assert equal(cdse().download(offer, tmp_path, Quiet()), original)
    assert status in [one.status for one in provider.files("R20m")]


def test_everybody_waits_when_the_provider_asks_for_it(cdse, offer, original, provider, tmp_path):
    provider.faults = [Fault("R10m", status=429, retry_after="1", times=1)]
    assert equal(cdse().download(offer, tmp_path, Quiet()), original)


def test_who_is_asked_to_wait_too_long_leaves_it_to_a_later_run(cdse, offer, provider, tmp_path):
    provider.faults = [Fault("R10m", status=429, retry_after="4000", times=99)]
    with pytest.raises(PassingError, match="asks to wait 4000 s") as refused:
        cdse().download(offer, tmp_path, Quiet())
    assert refused.value.retry_after == 4000
    refusals = [one.path for one in provider.files("R10m") if one.status == 429]
    assert len(refusals) == len(set(refusals))  # whatever was under way already, nothing is asked for twice


def test_no_more_connections_than_allowed(cdse, offer, provider, tmp_path):
    provider.faults = [Fault("IMG_DATA", slow=0.005, times=99)]
    cdse(cdse_connections=3).download(offer, tmp_path, Quiet())
    assert 1 < provider.busiest <= 3


def test_tokens_are_renewed_while_a_download_lasts(cdse, offer, original, provider, tmp_path):
    provider.lifetime = 0.5
    provider.faults = [Fault("IMG_DATA", slow=0.05, times=99)]
    assert equal(cdse(cdse_access="https", cdse_connections=2).download(offer, tmp_path, Quiet()), original)
    assert len(provider.issued) > 1


def test_a_token_refused_before_its_time_is_renewed(cdse, offer, original, provider, tmp_path):
    source = cdse(cdse_access="https")
    provider.faults = [Fault("R10m", status=401)]
    assert equal(source.download(offer, tmp_path, Quiet()), original)
    assert len(provider.issued) == 2


def test_a_wrong_password_names_the_settings_and_not_the_password(cdse, offer, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    with pytest.raises(CredentialsError, match="INGEST_CDSE_PASSWORD") as refused:
        cdse(cdse_access="https", cdse_password="wr0ng-secret").download(offer, tmp_path, Quiet())
    assert "wr0ng-secret" not in str(refused.value) + caplog.text
    with pytest.raises(CredentialsError, match="403"):
        cdse(cdse_s3_key="NOBODY").download(offer, tmp_path, Quiet())
    assert find_products([str(tmp_path)]) == []


def test_without_credentials_it_is_said_which_are_missing(cdse, offer, provider, tmp_path):
    provider.forget()
    with pytest.raises(CredentialsError, match=r"INGEST_CDSE_S3_KEY.*INGEST_CDSE_USER"):
        cdse(cdse_s3_key="", cdse_user="").download(offer, tmp_path, Quiet())
    assert provider.seen == []


@pytest.mark.parametrize("way", WAYS)
def test_no_secret_is_ever_logged(cdse, offer, provider, tmp_path, caplog, way):
    caplog.set_level(logging.INFO)
    provider.faults = [Fault("B04", status=503, times=2), Fault("B03", cut=100)]
    cdse(cdse_access=way).download(offer, tmp_path, Quiet())
    assert "503" in caplog.text
    for secret in (PASSWORD, SECRET, "X-Amz-Signature", "Bearer", *provider.issued):
        assert secret not in caplog.text


def test_a_withdrawn_product_is_told_with_its_cause(cdse, offer, january, written, tmp_path):
    with Provider(tmp_path / "provider").serve() as elsewhere:
        one = elsewhere.add(written[1])
        settings = {name.removeprefix("INGEST_").lower(): value for name, value in elsewhere.environment().items()}
        source = cdse(**settings)
        href = f"{elsewhere.url}/stac/collections/c/items/{one.name}"
        theirs = replace(offer, name=str(one.name), href=href)
        elsewhere.withdraw(str(one.name), "Duplicated product")
        for way in ("s3", "https", "zip"):
            with pytest.raises(WithdrawnError, match="was withdrawn: Duplicated product"):
                cdse(**settings, cdse_access=way).download(theirs, tmp_path / "in", Quiet())
        assert source.withdrawn(january) == {str(one.name): "Duplicated product"}
        assert find_products([str(tmp_path / "in")]) == []
        assert list((tmp_path / "in" / ".downloads").iterdir()) == []


def test_a_disk_without_room_is_told_before_anything_is_fetched(cdse, offer, provider, tmp_path):
    provider.forget()
    with pytest.raises(NoSpaceError, match="INGEST_KEEP_FREE_GB"):
        cdse(keep_free_gb=1e9).download(offer, tmp_path, Quiet())
    assert provider.files("IMG_DATA") == []


def test_an_inbox_that_may_not_be_written_is_told(cdse, offer, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises((SourceError, OSError)):
        cdse().download(offer, tmp_path / "file", Quiet())


def test_a_strange_product_name_is_no_path(cdse, offer, tmp_path):
    strange = replace(offer, name="../../outside")
    with pytest.raises(RefusedError, match="no path within"):
        cdse().download(strange, tmp_path / "in", Quiet())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", ["ftp://127.0.0.1/x", "file:///etc/passwd", "/again"])
def test_a_redirect_to_another_scheme_or_without_end_is_refused(cdse, offer, provider, tmp_path, target):
    provider.faults = [Fault("B04|again", location=target, times=99)]
    with pytest.raises(RefusedError, match="leads"):
        cdse().download(offer, tmp_path, Quiet())


def test_a_token_does_not_follow_a_redirect_to_another_host(cdse, offer, written, provider, tmp_path):
    with Provider(tmp_path / "elsewhere").serve() as elsewhere:
        elsewhere.add(written[0])
        path = next(seen for seen in elsewhere.products.values()).folder
        file = next(path.rglob("*B04_10m.jp2"))
        key = file.relative_to(elsewhere.room).as_posix()
        provider.faults = [Fault("B04_10m", location=f"{elsewhere.url}/{key}", times=99)]
        with pytest.raises(CredentialsError, match="403"):
            cdse(cdse_access="https").download(offer, tmp_path / "in", Quiet())
        assert [one.authorization for one in elsewhere.seen] == [None]
    assert all(one.authorization for one in provider.files("B04_10m"))


def test_a_killed_download_goes_on_where_it_was(offer, original, provider, tmp_path):
    provider.faults = [Fault("R10m", slow=0.05, times=99)]
    script = """
import json, sys
from pathlib import Path
from ingest.sources import Offer, Quiet, SourceSettings, open_source
with open_source("cdse", SourceSettings()) as source:
    source.download(Offer.from_dict(json.loads(sys.argv[1])), Path(sys.argv[2]), Quiet())
"""
    words = [sys.executable, "-c", script, json.dumps(offer.as_dict()), str(tmp_path)]
    first = subprocess.Popen(words, env={**os.environ, **provider.environment()})
    deadline = time.monotonic() + 60
    while not list(tmp_path.rglob("*.jp2.part")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.2)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert find_products([str(tmp_path)]) == []
    begun = {path.name.removesuffix(".part") for path in tmp_path.rglob("*.part") if path.stat().st_size}
    draft = tmp_path / ".downloads" / original.name
    whole = {path.relative_to(draft).as_posix() for path in draft.rglob("*.xml")}
    assert begun
    provider.forget()
    subprocess.run(words, env={**os.environ, **provider.environment()}, check=True, timeout=120)
    assert equal(tmp_path / original.name, original)
    again = {one.path.partition(f"{original.name}/")[2]: one.range for one in provider.files()}
    assert whole.isdisjoint(again)
    assert all(span for path, span in again.items() if Path(path).name in begun)
