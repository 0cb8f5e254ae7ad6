"""Finding products among files and folders."""

from pathlib import Path

import pytest

from ingest.discover import find_products
from ingest.errors import IngestError

ITEM = '{"type": "Feature", "properties": {"s2:product_uri": "x"}, "assets": {}}'
NAME = "S2A_MSIL2A_20250105T031121_N0511_R075_T48PWU_20250105T062233"


def touch(path: Path, content: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def test_real_products_are_found(shared_data: Path) -> None:
    found = [Path(path).relative_to(shared_data) for path in find_products([str(shared_data)])]
    assert [path.parts[0] for path in found] == (
        ["earth-search"] * 5 + ["l1c-safe", "l1c-zip", "l2a-safe"] + ["safe-metadata"] * 6
    )
    assert all(path.suffix == ".json" for path in found[:5])
    assert found == sorted(found)


def test_every_kind_is_found_once_and_sorted(tmp_path: Path) -> None:
    touch(tmp_path / "b" / f"{NAME}.SAFE" / "MTD_MSIL2A.xml")
    touch(tmp_path / "a" / "plain" / "MTD_MSIL1C.xml")
    touch(tmp_path / "c" / "scene.zip")
    touch(tmp_path / "c" / "item.json", ITEM)
    touch(tmp_path / "aws" / "metadata.xml")
    touch(tmp_path / "aws" / "tileInfo.json")
    expected = [tmp_path / p for p in ("a/plain", "aws", f"b/{NAME}.SAFE", "c/item.json", "c/scene.zip")]
    assert find_products([str(tmp_path), str(tmp_path / "c")]) == list(map(str, expected))


def test_broken_candidates_are_found(tmp_path: Path) -> None:
    touch(tmp_path / "broken.zip", "this is no zip")
    (tmp_path / f"{NAME}.SAFE").mkdir()
    touch(tmp_path / "headless" / "GRANULE" / "x")
    touch(tmp_path / "headless" / "DATASTRIP" / "x")
    names = [Path(path).name for path in find_products([str(tmp_path)])]
    assert names == [f"{NAME}.SAFE", "broken.zip", "headless"]


def test_products_are_not_searched(tmp_path: Path) -> None:
    product = tmp_path / f"{NAME}.SAFE"
    touch(product / "MTD_MSIL2A.xml")
    touch(product / "inner.zip")
    touch(product / f"{NAME}.SAFE" / "MTD_MSIL2A.xml")
    assert find_products([str(tmp_path)]) == [str(product)]
    assert find_products([str(product)]) == [str(product)]


def test_hidden_and_unfinished_files_are_passed_over(tmp_path: Path) -> None:
    for name in (".hidden.zip", "a.zip.part", "a.zip.tmp", "a.SAFE.incomplete/MTD_MSIL2A.xml", ".x/b.zip"):
        touch(tmp_path / name)
    assert find_products([str(tmp_path)]) == []


def test_other_files_are_passed_over(tmp_path: Path) -> None:
    touch(tmp_path / "catalog.json", '{"type": "Catalog"}')
    touch(tmp_path / "broken.json", "{")
    touch(tmp_path / "deep.json", "[" * 100_000)
    touch(tmp_path / "NDVI.jp2")
    assert find_products([str(tmp_path)]) == []


def test_file_named_itself_is_always_found(tmp_path: Path) -> None:
    path = touch(tmp_path / "download.bin")
    assert find_products([str(path)]) == [str(path)]
    assert find_products([str(tmp_path)]) == []


def test_path_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="nothing: there is no such file or folder"):
        find_products([str(tmp_path / "nothing")])


def test_a_folder_that_may_not_be_read_does_not_hide_the_others(tmp_path: Path, without_rights) -> None:
    zipped = touch(tmp_path / "b" / "x.zip")
    locked = tmp_path / "a"
    locked.mkdir()
    with without_rights(locked):
        assert find_products([str(tmp_path)]) == [str(locked), str(zipped)]


def test_circles_of_links_end(tmp_path: Path) -> None:
    touch(tmp_path / "a" / "x.zip")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    assert find_products([str(tmp_path)]) == [str(tmp_path / "a" / "x.zip")]
