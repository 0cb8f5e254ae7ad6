import pytest

from stac.bands import BAND_IDS, BANDS, SCENE_CLASSES, bands_of, by_common_name
from stac.errors import UnknownNameError
from stac.indices import INDICES, get_index, stored_indices
from stac.masks import DEFAULT_PROFILE, FIELDS, PROFILES, bitfields, fields_from, get_profile


def test_the_thirteen_bands() -> None:
    assert set(BAND_IDS) == set(BANDS)
    assert len(bands_of("L1C")) == 13
    assert [band.name for band in bands_of("L2A") if band.gsd == 10] == ["B02", "B03", "B04", "B08"]
    assert {band.name for band in bands_of("L1C")} - {band.name for band in bands_of("L2A")} == {"B10"}
    assert len({band.common_name for band in BANDS.values()}) == 13
    assert by_common_name("red").name == "B04"
    with pytest.raises(UnknownNameError, match="swir16"):
        by_common_name("purple")


def test_the_twelve_indices() -> None:
    assert len(INDICES) == 12
    assert [index.name for index in stored_indices()] == ["NDVI", "NDWIGAO", "NDWIMCF", "MNDWI"]
    assert get_index("ndmi") is INDICES["NDWIGAO"]
    assert get_index(" evi ").bands == ("B02", "B04", "B08")
    with pytest.raises(UnknownNameError, match="choose from NDVI, NDWIGAO"):
        get_index("NVDI")


def test_mask_fields_fill_sixteen_bits_without_overlap() -> None:
    taken = [bit for field in FIELDS.values() for bit in range(field.offset, field.offset + field.length)]
    assert len(taken) == len(set(taken))
    assert max(taken) < 16
    assert [field.name for field in fields_from({"SCL"})] == ["scl", "cm004"]
    assert [entry["name"] for entry in bitfields(FIELDS)] == list(FIELDS)
    assert len(SCENE_CLASSES) == 12


def test_profiles_are_found_by_either_name() -> None:
    assert get_profile("CM003-PRB1-ITER5") is PROFILES["cm003"]
    assert get_profile("SCL").name == DEFAULT_PROFILE
    with pytest.raises(UnknownNameError, match="cldprb"):
        get_profile("clouds")
