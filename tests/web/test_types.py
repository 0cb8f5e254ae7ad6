"""The page's types are those of both services' OpenAPI documents, as they are today."""

import pytest
from tools import page_types


@pytest.mark.parametrize("service", list(page_types.ASKED))
def test_the_pages_types_are_what_the_services_say(service: str) -> None:
    if not page_types.GENERATOR.is_file():
        pytest.skip("openapi-typescript is not installed: deploy/local/setup.sh --test")
    kept = (page_types.TARGET / f"{service}.d.ts").read_text()

    assert page_types.types_of(page_types.documents()[service]) == kept, "run make types, then npm run lint"
