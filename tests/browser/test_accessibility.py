"""axe-core finds nothing serious or critical, by day and by night, on an empty and on a full page."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PageMaker, Shop

PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 900}


def violations(page: Page, axe_source: str) -> list[str]:
    """The serious and critical ones, each with where it is."""
    page.wait_for_timeout(700)  # colours in the middle of a transition are nobody's
    page.add_script_tag(content=axe_source)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [
        f"{one['id']}: {node['html'][:120]} {node['failureSummary']}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_nothing_serious(open_page: PageMaker, shop: Shop, axe_source: str, scheme: str, size: dict[str, int]) -> None:
    page = open_page(viewport=size, color_scheme=scheme, reduced_motion="reduce", bypass_csp=True)
    expect(page.locator("#samples .card").first).to_be_visible()
    assert violations(page, axe_source) == []
    page.set_input_files("#file", shop.first("mug").path)
    expect(page.locator("#results .card")).to_have_count(24)
    page.locator("#crop-button").click()
    page.locator("#filters").evaluate("one => one.open = true")
    page.locator("#filter-json").fill('{"nosuch": 1, "in_stock": true}')
    page.get_by_role("button", name="Apply").click()
    expect(page.locator(".notice.warn")).to_be_visible()
    assert violations(page, axe_source) == []
    page.get_by_role("button", name="Clear filter").click()
    expect(page.locator("#results .card")).to_have_count(24)
    assert violations(page, axe_source) == []


def test_description_of_the_api_too(open_page: PageMaker, axe_source: str) -> None:
    page = open_page("docs", bypass_csp=True)
    assert violations(page, axe_source) == []
