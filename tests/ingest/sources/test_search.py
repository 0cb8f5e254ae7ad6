"""Searching: pages, filters, and answers that are not what they should be."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import get_args

import httpx
import pytest
from fakes.provider import Fault

from ingest.cli_sources import Provider
from ingest.sources import SOURCES
from ingest.sources.errors import PassingError, RefusedError
from ingest.sources.query import box
from ingest.sources.web import is_own

DAYS = (5, 10, 15, 20, 25)


def test_the_command_knows_every_provider():
    assert get_args(Provider) == SOURCES


def test_all_pages_are_read(cdse, january, provider):
    found = list(cdse().search(january))
    assert len(found) == len({offer.name for offer in found}) == 5
    assert len([one for one in provider.seen if one.path == "/stac/search"]) == 2
    assert {offer.datastrip_start for offer in found} == {f"202501{day:02}T032134" for day in DAYS}
    assert all(offer.size and offer.size > 100_000 for offer in found)


def test_datastrips_are_told_by_their_id_or_by_a_folder(cdse, january, provider):
    given = [one.item for one in provider.products.values()]
    for item in given:
        del item["assets"]["datastrip_metadata"]
    assert {offer.datastrip_start for offer in cdse().search(january)} == {f"202501{day:02}T032134" for day in DAYS}
    for item in given:
        item["properties"]["eopf:datastrip_id"] = "S2A_OPER_MSI_L2A_DS_2APS_20260628T194416_S20260628T115416_N05.12"
    assert {offer.datastrip_start for offer in cdse().search(january)} == {"20260628T115416"}


@pytest.mark.parametrize(
    ("url", "home", "own"),
    [
        ("https://download.dataspace.copernicus.eu/x", "https://download.dataspace.copernicus.eu/y", True),
        ("https://zipper.dataspace.copernicus.eu/x", "https://download.dataspace.copernicus.eu/y", True),
        ("http://zipper.dataspace.copernicus.eu/x", "https://download.dataspace.copernicus.eu/y", False),
        ("https://evil.zipper.dataspace.copernicus.eu", "https://download.dataspace.copernicus.eu/y", False),
        ("https://dataspace.copernicus.eu.example.org", "https://download.dataspace.copernicus.eu/y", False),
        ("https://zipper.dataspace.copernicus.eu:444/", "https://download.dataspace.copernicus.eu/y", False),
        ("https://other.amazonaws.com", "https://mine.amazonaws.com", False),
        ("https://127.0.0.1", "https://10.0.0.1", False),
        ("http://127.0.0.1:81", "http://127.0.0.1:80", False),
    ],
)
def test_credentials_are_shown_to_their_own_hosts_only(url, home, own):
    assert is_own(httpx.URL(url), httpx.URL(home)) is own


def test_level_days_clouds_and_an_area(cdse, january):
    source = cdse()
    assert len(list(source.search(replace(january, level="L1C")))) == 1
    assert len(list(source.search(replace(january, max_cloud=20)))) == 3
    assert len(list(source.search(replace(january, end=datetime(2025, 1, 15, tzinfo=UTC))))) == 2
    assert len(list(source.search(replace(january, tiles=(), area=box(105, 11, 106, 12))))) == 5
    assert list(source.search(replace(january, tiles=("48PWT",)))) == []


def test_the_providers_filter_is_not_trusted(cdse, january, provider):
    provider.sloppy = True
    assert len(list(cdse().search(replace(january, max_cloud=20)))) == 3


def test_a_search_is_tried_again(cdse, january, provider):
    provider.faults = [Fault("search", status=503, times=2), Fault("search", status=429, after=3, retry_after="0")]
    assert len(list(cdse().search(january))) == 5
    provider.faults = [Fault("search", status=503, times=99)]
    with pytest.raises(PassingError, match="503"):
        list(cdse().search(january))


def test_a_page_may_not_lead_elsewhere(cdse, january, provider):
    provider.astray = "http://169.254.169.254/latest"
    with pytest.raises(RefusedError, match="away from"):
        list(cdse().search(january))


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://127.0.0.1:1/stac"])
def test_a_provider_that_is_away_is_worth_another_try(cdse, january, url):
    with pytest.raises(PassingError, match="ConnectError"):
        list(cdse(cdse_stac_url=url).search(january))


def test_an_answer_that_is_no_json_is_named(cdse, january, provider):
    with pytest.raises(PassingError, match="without features"):
        list(cdse(cdse_stac_url=f"{provider.url}/nothing").search(january))
    with pytest.raises(PassingError, match="no JSON"):
        list(cdse(cdse_stac_url=f"{provider.url}/junk").search(january))
