"""A found item leads to its look-alikes, and back."""

from playwright.sync_api import Page, expect

from tests.browser.conftest import Shop


def test_click_leads_to_look_alikes_and_back(page: Page, shop: Shop) -> None:
    page.set_input_files("#file", shop.first("mug").path)
    expect(page.locator("#results .card")).to_have_count(24)
    second = page.locator("#results .card").nth(1)
    item_id, title = second.get_attribute("data-item"), second.locator(".name").inner_text()
    second.click()
    page.wait_for_url(f"**/?item={item_id}")
    expect(page.locator("#headline")).to_have_text(f"Looks like {title}")
    expect(page.locator("#results .card")).to_have_count(24)
    assert item_id not in [card.get_attribute("data-item") for card in page.locator("#results .card").all()]
    page.go_back()
    expect(page.locator("#headline")).to_have_text("Looks like your photo")
    expect(page.locator("#results .card").first.locator(".score-number")).to_have_text("1.000")
    expect(page.locator(".surface img")).to_be_visible()


def test_item_that_is_not_there_is_said(page: Page, shop: Shop) -> None:
    page.goto(shop.url + "?item=no-such-item")
    expect(page.locator(".notice.error")).to_contain_text("no-such-item")
    expect(page.locator("#summary")).to_have_text("No answer")
