"""The search field: towns by their names, without asking any other host."""

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect


def test_a_town_is_found_by_its_first_letters_without_accents(visit: Callable[..., Any]) -> None:
    seen = visit()
    seen.open()
    field = seen.page.get_by_role("textbox", name="Coordinates")
    assert not [url for url in seen.requests if "cities" in url]
    field.press_sequentially("kratie")
    expect(seen.page.get_by_role("list", name="Towns")).to_contain_text("Cambodia")
    seen.shot("search")
    assert seen.findings() == []
    field.press("Enter")
    expect(seen.page).to_have_url(re.compile(r"lon=106\.0\d+&lat=12\.4\d+"))
    expect(seen.page.get_by_role("list", name="Towns")).to_have_count(0)
    assert len([url for url in seen.requests if "cities" in url]) == 1
    field.fill("phnom")
    seen.page.get_by_role("button", name="Phnom Penh").click()
    expect(seen.page).to_have_url(re.compile(r"lon=104\.9\d+&lat=11\.5\d+"))
    field.fill("nosuchtownanywhere")
    field.press("Enter")
    expect(seen.page.get_by_role("alert").first).to_contain_text("No town of this name")
    assert seen.foreign == []
    assert seen.complaints == []
