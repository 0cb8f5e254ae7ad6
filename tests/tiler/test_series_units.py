"""What is read together, on small COGs in memory."""

import struct
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from threading import BoundedSemaphore

import numpy as np
import obstore
import pytest
import shapely
from backports import zstd
from obstore.store import MemoryStore

from stac.blocks import IndexedImage
from stac.naming import Baseline
from tiler.series.acquisitions import Observation
from tiler.series.blocks import Located
from tiler.series.cost import total
from tiler.series.errors import UnreadableError
from tiler.series.features import Feature, project
from tiler.series.grid import Grid, Image
from tiler.series.overpasses import Overpasses
from tiler.series.request import parse_request
from tiler.series.sampling import Sampler
from tiler.series.unit_source import UnitSource, fetch
from tiler.series.units import units

GRID = Grid(epsg=32648, left=500_000, top=1_300_000, size=10, height=512, width=512)
NAMES = ("NDVI", "MASK")


def packed(value, dtype):
    """One COG block of a single value, without predictor, guarded as GDAL does."""
    content = zstd.compress(np.full((256, 256), value, dtype=dtype).tobytes())
    return struct.pack("<I", len(content)) + content + content[-4:], len(content)


@pytest.fixture
def store():
    """NDVI 0.4711 and MASK 4 in the only blocks of two objects, both standing at byte 4."""
    store = MemoryStore()
    lengths = {}
    for name, value, dtype in (("NDVI", 4711, "<i2"), ("MASK", 4, "<u2")):
        content, lengths[name] = packed(value, dtype)
        obstore.put(store, name, content)
    return store, lengths


def observation(day):
    images = {
        name: Image(key=name, path=f"/nowhere/{name}", grid=GRID, scale=0.0001 if name == "NDVI" else 1.0)
        for name in NAMES
    }
    return Observation(
        item_id=f"item{day}", acquired=datetime(2025, 1, day, tzinfo=UTC), platform="sentinel-2a",
        take=f"202501{day:02d}T031121", strip="", tile="48PWU", baseline=Baseline.parse("05.11"),
        footprint=shapely.box(104.9, 11.7, 105.1, 11.8), images=images, mask_fields=frozenset({"scl"}),
    )  # fmt: skip


def fields(count, step=50):
    boxes = [shapely.box(500_100 + step * i, 1_299_800, 500_140 + step * i, 1_299_850) for i in range(count)]
    return [Feature(id=str(i), geometry=project(box, 32648, 4326)) for i, box in enumerate(boxes)]


def made(features, observations):
    sampler = Sampler(request=parse_request("sentinel-2-indices", {"index": "NDVI,NDRE"}))
    return sampler, list(units(sampler, [one for f in features for one in Overpasses(observations).over(f)]))


def located(unit, lengths):
    common = {"epsg": 32648, "left": 500_000, "top": 1_300_000, "size": 10, "height": 512, "width": 512,
              "codec": "zstd", "predictor": 1, "nodata": None}  # fmt: skip
    for name, dtype in (("NDVI", "int16"), ("MASK", "uint16")):
        image = IndexedImage(key=name, data_type=dtype, **common)
        unit.located[name] = Located(image=image, spans={0: (4, lengths[name])})
    return unit


def source(store, unit, fetched=None):
    return UnitSource(store=store, unit=unit, fetched=fetched or {}, unindexed=set(), gdal=BoundedSemaphore(1))


def test_features_of_one_overpass_are_read_together_and_overpasses_apart():
    _, found = made(fields(5), [observation(5), observation(10)])

    assert [len(unit.acquisitions) for unit in found] == [5, 5]
    assert [sorted(unit.wants) for unit in found] == [["MASK", "NDVI"]] * 2
    assert len(found[0].wants["NDVI"].windows) == 5


def test_many_features_are_shared_out_so_that_memory_stays_bounded():
    _, found = made(fields(600, step=4), [observation(5)])

    assert [len(unit.acquisitions) for unit in found] == [500, 100]


def test_features_far_apart_are_shared_out_by_the_blocks_that_they_touch():
    whole = replace(GRID, height=10_980, width=10_980)
    wide = observation(5)
    images = {name: replace(image, grid=whole) for name, image in wide.images.items()}
    corners = [(500_300 + 2560 * i, 1_299_700 - 2560 * j) for i in range(9) for j in range(9) for _ in range(3)]
    apart = [
        Feature(id=str(number), geometry=project(shapely.box(x, y - 100, x + 100, y), 32648, 4326))
        for number, (x, y) in enumerate(corners)
    ]
    _, found = made(apart, [replace(wide, images=images, footprint=shapely.box(104, 10, 107, 13))])

    assert [len(unit.acquisitions) for unit in found] == [3 * 64, 3 * 17]
    assert {len(acquisition.blocks) for unit in found for acquisition in unit.acquisitions} == {1}


def test_the_cost_counts_blocks_once_per_unit_and_images_without_index(store):
    _, lengths = store
    _, found = made(fields(5), [observation(5), observation(10)])
    located(found[0], lengths)
    cost = total(found)

    assert (cost.acquisitions, cost.objects, cost.blocks, cost.unindexed) == (10, 4, 2, 2)
    assert cost.bytes == sum(lengths.values()) + 16
    assert cost.seconds > 0.06


@pytest.mark.parametrize("ahead", [True, False])
def test_rows_come_from_blocks_fetched_ahead_or_when_needed(store, ahead):
    objects, lengths = store
    sampler, (unit,) = made(fields(3), [observation(5)])
    located(unit, lengths)
    with ThreadPoolExecutor(2) as pool:
        blocks = source(objects, unit, fetch(objects, unit, pool) if ahead else None)
        rows = [row for acquisition in unit.acquisitions for row in sampler.rows(acquisition, blocks)]

    assert [row.statistics.mean for row in rows if row.index == "NDVI"] == pytest.approx([0.4711] * 3, abs=1e-9)
    assert [row.status for row in rows] == ["ok", "no_data_asset"] * 3
    assert blocks.unindexed == set()


def test_an_object_that_failed_is_not_tried_again_for_each_feature(store):
    objects, lengths = store
    _, (unit,) = made(fields(3), [observation(5)])
    located(unit, lengths)
    blocks = source(MemoryStore(), unit)
    want = unit.wants["NDVI"]
    for window in want.windows:
        with pytest.raises(UnreadableError, match=r"^NDVI is not in the object store$"):
            blocks.read(want.image, window)
        obstore.put(blocks.store, "NDVI", obstore.get(objects, "NDVI").bytes())


def test_what_the_index_lacks_is_gdals_and_counted(store):
    objects, lengths = store
    _, (unit,) = made(fields(1), [observation(5)])
    located(unit, lengths)
    del unit.located["MASK"]
    blocks = source(objects, unit)
    (window,) = unit.wants["MASK"].windows

    with pytest.raises(UnreadableError):  # GDAL finds nothing there
        blocks.read(unit.wants["MASK"].image, window)
    assert blocks.unindexed == {"MASK"}
