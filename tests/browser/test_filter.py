"""The filter: attributes offered from the answers, the whole language as JSON, and both in the address."""

import json
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, expect

from tests.browser.conftest import PageMaker, Shop


def filter_in(page: Page) -> dict[str, object]:
    """The filter that the page's address names."""
    return dict(json.loads(parse_qs(urlsplit(page.url).query).get("filter", ["{}"])[0]))


def shown(page: Page) -> list[str]:
    expect(page.locator("#results")).to_have_attribute("aria-busy", "false")
    return [str(card.get_attribute("data-item")) for card in page.locator("#results .card").all()]


def test_offered_attributes_filter(page: Page, shop: Shop) -> None:
    page.set_input_files("#file", shop.first("mug").path)
    expect(page.locator("#results .card")).to_have_count(24)
    stock = page.locator('fieldset[data-facet="in_stock"]')
    stock.get_by_role("button", name="no").click()
    page.wait_for_url("**/?filter=*")
    sold_out = {item.item_id for item in shop.items if not item.in_stock}
    expect(page.locator("#results .card")).to_have_count(len(sold_out))
    assert set(shown(page)) == sold_out
    stock.get_by_role("button", name="no").click()
    expect(page.locator("#results .card")).to_have_count(24)

    page.get_by_label("price at most").fill("20")
    page.get_by_label("price at most").press("Enter")
    cheap = {item.item_id for item in shop.items if item.price <= 20}
    expect(page.locator("#results .card")).to_have_count(min(len(cheap), 24))
    assert set(shown(page)) <= cheap
    assert filter_in(page) == {"price": {"lte": 20}}


def test_whole_language_as_json(page: Page, shop: Shop) -> None:
    page.set_input_files("#file", shop.first("mug").path)
    expect(page.locator("#results .card")).to_have_count(24)
    text = page.get_by_label("The whole filter, as JSON")
    text.fill('{"or": [{"category": "mug"}, {"category": {"in": ["dress"]}}], "color": {"not": "red"}}')
    page.get_by_role("button", name="Apply").click()
    wanted = {i.item_id for i in shop.items if i.category in ("mug", "dress") and i.color != "red"}
    expect(page.locator("#results .card")).to_have_count(len(wanted))
    assert set(shown(page)) == wanted

    text.fill("{not json")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("#filter-error")).to_contain_text("not JSON")
    text.fill('{"price": {"near": 5}}')
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("#filter-error")).to_contain_text("near")
    assert set(shown(page)) == wanted
    expect(page.locator("#summary")).to_contain_text(f"{len(wanted)} item")
    expect(text).to_have_value('{"price":{"near":5}}')
    assert "or" in filter_in(page)
    text.fill('{"nosuch": 1}')
    page.get_by_role("button", name="Apply").click()
    expect(page.locator(".notice")).to_contain_text("no item has the attribute 'nosuch'")
    expect(page.locator("#summary")).to_contain_text("Nothing passes this filter")


def test_address_can_be_shared(open_page: PageMaker, shop: Shop) -> None:
    item = shop.first("dress")
    page = open_page(f'?item={item.item_id}&filter={{"category":"dress"}}')
    others = {i.item_id for i in shop.items if i.category == "dress"} - {item.item_id}
    expect(page.locator("#results .card")).to_have_count(len(others))
    assert set(shown(page)) == others
    expect(page.locator("#headline")).to_have_text(f"Looks like {item.title}")
