"""A manifest comes from outside: it may not lead out of its folder, nor leave anything unchecked."""

import pytest

from ingest.sources.errors import RefusedError
from ingest.sources.manifest import inside, read_manifest

DIGEST = "0" * 32


def entry(href="./a.xml", size="10", checksum=f'<checksum checksumName="MD5">{DIGEST}</checksum>'):
    return f'<byteStream size="{size}"><fileLocation href="{href}"/>{checksum}</byteStream>'


def read(tmp_path, *entries, head=""):
    path = tmp_path / "manifest.safe"
    path.write_text(f"{head}<x>{''.join(entries)}</x>")
    return read_manifest(path)


def test_files_with_sizes_and_checksums(tmp_path):
    (one,) = read(tmp_path, entry("./GRANULE/L/a.jp2", "77"))
    assert (one.path, one.size, one.checksums[0].algorithm, one.optional) == ("GRANULE/L/a.jp2", 77, "md5", False)
    (paper,) = read(tmp_path, entry("./HTML/star.jpg"))
    assert paper.optional


def test_a_written_product_lists_all_its_files(written):
    files = {file.path: file for file in read_manifest(written[0] / "manifest.safe")}
    present = {path.relative_to(written[0]).as_posix(): path for path in written[0].rglob("*") if path.is_file()}
    assert files.keys() == present.keys() - {"manifest.safe"}
    for name, file in files.items():
        assert file.size == present[name].stat().st_size
        file.checksums[0].check(present[name])


def test_a_real_manifest_is_read(shared_data):
    (path,) = (shared_data / "l2a-safe").glob("*/manifest.safe")
    files = read_manifest(path)
    assert len(files) > 80
    checked = [file for file in files if (path.parent / file.path).is_file()]
    assert checked
    for file in checked:
        if (path.parent / file.path).stat().st_size == file.size:
            file.checksums[0].check(path.parent / file.path)


@pytest.mark.parametrize(
    "href",
    [
        "../x",
        "./../../etc/passwd",
        "/etc/passwd",
        "a/../../x",
        "",
        "./",
        "a\\b",
        "C:/x",
        ".hidden/x",
        "a/.part",
        99 * "xxx",
    ],
)
def test_paths_that_lead_out_are_refused(tmp_path, href):
    with pytest.raises(RefusedError, match="no path within"):
        read(tmp_path, entry(href))
    with pytest.raises(RefusedError):
        inside(href.removeprefix("./"), "x")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([entry(size="-1")], "no size"),
        ([entry(checksum="")], "no checksum"),
        ([entry(checksum='<checksum checksumName="CRC">1</checksum>')], "no checksum"),
        ([entry(checksum='<checksum checksumName="MD5">zz</checksum>')], "no checksum"),
        ([entry("./a.xml"), entry("./A.xml")], "twice"),
        ([], "0 files"),
    ],
)
def test_what_cannot_be_checked_is_refused(tmp_path, content, reason):
    with pytest.raises(RefusedError, match=reason):
        read(tmp_path, *content)


def test_bombs_and_junk_are_refused(tmp_path):
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;">]>'
    for head in (bomb, "no xml at all <"):
        with pytest.raises(RefusedError, match="no valid XML"):
            read(tmp_path, entry(), head=head)
