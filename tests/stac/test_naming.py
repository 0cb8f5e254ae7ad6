import string
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stac.errors import NameFormatError
from stac.naming import Baseline, ProductName, Tile, asset_key, item_key, item_prefix

NAME = "S2A_MSIL2A_20250105T031121_N0511_R075_T48PWU_20250105T062233"

moments = st.datetimes(datetime(2015, 6, 23), datetime(2040, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=0)
)
names = st.builds(
    ProductName,
    unit=st.sampled_from(["S2A", "S2B", "S2C", "S2D"]),
    level=st.sampled_from(["L1C", "L2A"]),
    datatake_start=moments,
    baseline=st.tuples(st.integers(2, 5), st.integers(0, 14)).map(Baseline) | st.just(Baseline((-1, -1))),
    relative_orbit=st.integers(1, 143),
    tile=st.builds(
        Tile,
        zone=st.integers(1, 60),
        band=st.sampled_from("CDEFGHJKLMNPQRSTUVWX"),
        square=st.tuples(st.sampled_from("ABCDEFGHJKLMNPQRSTUVWXYZ"), st.sampled_from("ABCDEFGHJKLMNPQRSTUV")).map(
            "".join
        ),
    ),
    discriminator=moments,
)


@given(names)
def test_names_survive_the_round_trip(name: ProductName) -> None:
    assert ProductName.parse(str(name)) == name
    assert ProductName.parse(f"{name}.SAFE") == name
    assert ProductName.parse(f"{name}.zip") == name


@given(st.text(alphabet=string.ascii_letters + string.digits + "_./", max_size=70))
def test_anything_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(NameFormatError):
        ProductName.parse(text)


@pytest.mark.parametrize(
    "broken",
    [
        NAME.replace("T48PWU", "T61PWU"),
        NAME.replace("20250105T031121", "20251305T031121"),
        NAME.replace("L2A", "L3A"),
        NAME + "/../etc",
        "../" + NAME,
    ],
)
def test_near_misses_are_refused(broken: str) -> None:
    with pytest.raises(NameFormatError):
        ProductName.parse(broken)


def test_parts_of_a_name() -> None:
    name = ProductName.parse(NAME)
    assert (name.platform, name.level, name.relative_orbit) == ("sentinel-2a", "L2A", 75)
    assert name.datatake_start == datetime(2025, 1, 5, 3, 11, 21, tzinfo=UTC)
    assert (str(name.baseline), str(name.tile), name.tile.epsg) == ("05.11", "48PWU", 32648)


def test_baselines_order_as_numbers() -> None:
    texts = ["99.99", "02.04", "02.14", "03.01", "04.00", "05.09", "05.10", "05.12"]
    baselines = [Baseline.parse(text) for text in texts]
    assert baselines == sorted(baselines)
    assert [str(baseline) for baseline in baselines] == texts
    assert Baseline.parse("5.1") == Baseline((5, 1))
    assert Baseline.parse("0510") == Baseline.parse("05.10")


@pytest.mark.parametrize("text", ["", "five", "5", "05.100", "-1.0"])
def test_no_baseline(text: str) -> None:
    with pytest.raises(NameFormatError, match="baseline"):
        Baseline.parse(text)


@pytest.mark.parametrize(("text", "epsg"), [("48PWU", 32648), ("T33TWM", 32633), ("MGRS-22HBD", 32722)])
def test_tiles_know_their_projection(text: str, epsg: int) -> None:
    assert Tile.parse(text).epsg == epsg


def test_object_keys() -> None:
    tile = Tile.parse("33TWM")
    prefix = item_prefix("sentinel-2-l2a", NAME, tile, datetime(2025, 1, 5, tzinfo=UTC))
    assert prefix == f"sentinel-2-l2a/33/T/WM/2025/01/{NAME}"
    assert asset_key(prefix, "B04", "0123456789abcdef", ".tif") == f"{prefix}/B04-01234567.tif"
    assert item_key(prefix) == f"{prefix}/{NAME}.json"
