"""Earth Search: images and item, as ingestion reads them."""

import json
from dataclasses import replace

import numpy as np
import pytest
from fakes.cogs import write_cogs
from fakes.provider import Fault

from ingest.discover import find_products
from ingest.products import open_product
from ingest.sources import Quiet
from ingest.sources.earth_search import EarthSearch
from ingest.sources.errors import PassingError, RefusedError, WithdrawnError


@pytest.fixture(scope="module")
def copies(offering, written, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cogs")
    items = [write_cogs(product, folder) for product in written[:2]]
    for item in items:
        offering.add_cogs(item, folder / item["id"])
    return items


@pytest.fixture
def source(copies, settings_of, fast):
    assert len(copies) == 2
    source = EarthSearch(settings_of(), fast)
    yield source
    source.close()


def test_a_product_is_found_fetched_and_read(source, january, provider, written, tmp_path):
    first, second = sorted(source.search(january), key=lambda one: one.name)
    assert (first.name, second.name) == tuple(path.stem for path in written[:2])
    assert first.datastrip_start == "20250105T032134"
    assert first.size is not None
    assert first.size > 100_000
    provider.faults = [Fault("B04.tif", cut=2000)]
    path = source.download(first, tmp_path, Quiet())
    assert [one.range for one in provider.files("B04.tif")] == [None, "bytes=2048-"]
    assert find_products([str(tmp_path)]) == [str(path)]
    assert all(one.authorization is None for one in provider.seen)
    fetched, original = open_product(str(path)), open_product(str(written[0]))
    assert fetched.images.keys() == original.images.keys()
    for image in ("B02", "B11", "SCL"):
        np.testing.assert_array_equal(fetched.read(image).pixels, original.read(image).pixels)
        assert fetched.images[image].offset == original.images[image].offset
    assert fetched.scene.item_id == first.name
    provider.forget()
    assert source.download(first, tmp_path, Quiet()) == path
    assert provider.seen == []


def test_filters_and_level(source, january):
    assert len(list(source.search(replace(january, end=january.start.replace(day=6))))) == 1
    assert list(source.search(replace(january, tiles=("48PWT",)))) == []
    with pytest.raises(RefusedError, match="level 2A only"):
        list(source.search(replace(january, level="L1C")))


def test_an_image_that_is_gone_leaves_no_product(source, january, provider, tmp_path):
    offer = next(source.search(january))
    provider.faults = [Fault("B12.tif", status=404, times=99)]
    with pytest.raises(WithdrawnError, match=r"B12\.tif"):
        source.download(offer, tmp_path, Quiet())
    assert find_products([str(tmp_path)]) == []
    provider.faults = [Fault("B12.tif", status=503, times=99)]
    with pytest.raises(PassingError, match="503"):
        source.download(offer, tmp_path, Quiet())


@pytest.mark.parametrize(
    "href", ["http://169.254.169.254/B04.tif", "file:///etc/passwd", "s3://bucket/B04.tif", "../B04.tif", 7, None]
)
def test_an_address_that_is_not_https_is_refused(source, january, provider, copies, tmp_path, href):
    offer = min(source.search(january), key=lambda one: one.name)
    item = provider.cogs[copies[0]["id"]]
    before = json.loads(json.dumps(item))
    item["assets"]["red"]["href"] = href
    try:
        with pytest.raises(RefusedError, match=r"red is at .*refused"):
            source.download(offer, tmp_path, Quiet())
    finally:
        provider.cogs[copies[0]["id"]] = before
    assert find_products([str(tmp_path)]) == []
