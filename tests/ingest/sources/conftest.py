"""A provider with products to offer, and our side of it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fakes.provider import Provider

from ingest.sample import ProductSpec, write_product
from ingest.sources import Query, SourceSettings
from ingest.sources.cdse import Cdse
from ingest.sources.web import Policy

DAYS = (5, 10, 15, 20, 25)
FAST = Policy(attempts=3, first_pause=0.01, longest_pause=0.05, patience=3)


def spec(day: int, **others: object) -> ProductSpec:
    sensing = datetime(2025, 1, day, 3, 11, 21, tzinfo=UTC)
    return ProductSpec(sensing=sensing, size=96, **{"cloudiness": 0.0, **others})  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Five tiny L2A products of one tile, and an L1C."""
    folder = tmp_path_factory.mktemp("products")
    specs = [*(spec(day) for day in DAYS), spec(5, level="L1C")]
    return [write_product(one, folder) for one in specs]


@pytest.fixture(scope="module")
def offering(written: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with Provider(tmp_path_factory.mktemp("provider")).serve() as provider:
        for index, product in enumerate(written):
            provider.add(product, cloud=10.0 * index)
        yield provider


@pytest.fixture
def provider(offering: Provider) -> Provider:
    """The provider without troubles."""
    offering.forget()
    offering.expire_tokens()
    offering.lifetime, offering.sloppy, offering.astray = 600.0, False, ""
    return offering


@pytest.fixture
def settings_of(provider: Provider):
    """A function that gives the settings of the provider, with changes."""

    def settings(**changes: object) -> SourceSettings:
        given = {name.removeprefix("INGEST_").lower(): value for name, value in provider.environment().items()}
        return SourceSettings.model_validate({**given, **changes})

    return settings


@pytest.fixture
def cdse(settings_of):
    """A function that opens CDSE, with changed settings."""

    sources: list[Cdse] = []

    def opened(**changes: object) -> Cdse:
        sources.append(Cdse(settings_of(**changes), FAST))
        return sources[-1]

    yield opened
    for source in sources:
        source.close()


@pytest.fixture
def january() -> Query:
    return Query(tiles=("48PWU",), start=datetime(2025, 1, 1, tzinfo=UTC), end=datetime(2025, 2, 1, tzinfo=UTC))


@pytest.fixture
def fast() -> Policy:
    """Patience for tests."""
    return FAST
