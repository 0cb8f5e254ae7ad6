from pathlib import Path

import pytest

from ingest.products.sen2chain_names import Part, classify
from stac.indices import INDICES
from stac.masks import PROFILES

ID = "S2A_MSIL2A_20230815T095031_N0509_R079_T33TWM_20230815T155057"
OLD = "S2A_MSIL2A_20190815T095031_N0214_R079_T33TWM_20190815T155057"


@pytest.mark.parametrize("index", INDICES)
def test_a_raw_index(index: str) -> None:
    assert classify(Path(f"{ID}_{index}.jp2")) == Part(product=ID, role="index", name=index)


@pytest.mark.parametrize(
    "mask",
    ["CM001", "CM002-B11", "CM003-PRB1-ITER5", "CM004-CSH1-CMP1-CHP1-TCI0-ITER2", "OCM_v1_4_0"],
)
def test_a_masked_copy(mask: str) -> None:
    part = classify(Path(f"{ID}_NDWIGAO_{mask}.jp2"))
    assert part == Part(product=ID, role="masked index", name="NDWIGAO", mask=mask)


def test_a_masked_copy_of_an_old_release() -> None:
    part = classify(Path(f"{ID}_NDVI_MASKED.jp2"))
    assert part == Part(product=ID, role="masked index", name="NDVI", mask="CM001")


@pytest.mark.parametrize("profile", [PROFILES[name] for name in ("cm001", "cm003", "cm004")], ids=lambda p: p.name)
def test_a_cloud_mask_with_our_parameters(profile) -> None:
    assert classify(Path(f"{ID}_{profile.title}.jp2")) == Part(product=ID, role="cloud mask", name=profile.name)


@pytest.mark.parametrize(("name", "field"), [("CLOUD_MASK", "cm001"), ("CLOUD_MASK_B11", "cm002")])
def test_a_cloud_mask_of_an_old_release(name: str, field: str) -> None:
    assert classify(Path(f"{OLD}_{name}.jp2")) == Part(product=OLD, role="cloud mask", name=field)


def test_side_products_belong_to_the_product_of_their_folder() -> None:
    folder = Path("CLOUDMASKS/33TWM") / ID
    assert classify(folder / "MSK_CLDPRB_20m.jp2") == Part(product=ID, role="side product", name="CLDPRB")
    scl = classify(folder / "T33TWM_20230815T095031_SCL_20m.jp2")
    assert scl == Part(product=ID, role="side product", name="SCL")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (f"{ID}_CM003-PRB30-ITER5.jp2", "other parameters"),
        (f"{ID}_CM004-CSH1-CMP1-CHP1-TCI1-ITER3.jp2", "other parameters"),
        (f"{ID}_OCM_v1_4_0.jp2", "another method"),
        (f"{ID}_CM002-B11.jp2", "ignores the offset of baseline 05.09"),
        (f"{ID}_CM001.tif", "obsolete"),
        (f"{ID}_CLOUD_MASK.tif", "obsolete"),
        (f"{ID}_NDVI.tif", "interrupted run"),
        (f"{ID}_NDVI_CM001_QL.tif", "quicklook"),
        (f"{ID}_NDWIGAO_CM001_QUICKLOOK.tif", "quicklook"),
        (f"{ID}_QL-100m.tif", "quicklook"),
        (f"{ID}_QL-750m.jpg", "quicklook"),
        ("33TWM_S2x_20230815_QL_latest.jpg", "quicklook"),
        (f"{ID}_NDVI.jp2.aux.xml", "side-car"),
        (f"{ID}_NDVI.xml", "provenance"),
        ("sen2chain_info.xml", "provenance"),
        (f"{ID}_SAVI.jp2", "SAVI is no index"),
        (f"{ID.replace('T33TWM', 'T99TWM')}_NDVI.jp2", "'99TWM' is no MGRS tile"),
        (f"{ID.replace('S2A', 'S2Q')}_NDVI.jp2", "no Sentinel-2 product name"),
        ("MSK_CLDPRB_20m.jp2", "names no L2A product"),
        ("S2A_OPER_PRD_MSIL1C_PDMC_20151231T120000_R051_V20151230T105153_20151230T105153.SAFE", "2015-16"),
        ("notes.txt", "no name that Sen2Chain gives"),
    ],
)
def test_what_is_not_taken_has_a_reason(name: str, reason: str) -> None:
    found = classify(Path("folder") / name)
    assert isinstance(found, str)
    assert reason in found
