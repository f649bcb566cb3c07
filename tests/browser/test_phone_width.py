"""On a phone's 360 pixels nothing is cut off, and a photo is searched with as on a desk."""

from playwright.sync_api import Page, expect

from tests.browser.conftest import PageMaker, Shop

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
_TOO_WIDE = """() => [...document.querySelectorAll("body *")]
  .filter((one) => one.checkVisibility() && !one.closest("#live-list"))
  .filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
  .map((one) => one.outerHTML.slice(0, 80))"""


def check_fits(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate(_TOO_WIDE) == []


_CUT = """() => [...document.querySelectorAll("#live-list .entry-words > *")]
  .filter((one) => one.getBoundingClientRect().right > one.closest(".entry-body").getBoundingClientRect().right)
  .map((one) => one.outerHTML)"""


def test_live_entries_stay_in_their_cards(open_page: PageMaker, shop: Shop) -> None:
    page = open_page(**PHONE)
    expect(page.locator("#live-list .entry").first).to_be_visible()
    page.evaluate(
        """() => document.querySelectorAll("#live-list .entry").forEach((one) => {
          one.querySelector(".entry-name").textContent = "An item with a name that is far too long for this";
          one.querySelector(".entry-kind").textContent = "new picture";
          one.querySelector(".entry-delay").textContent = "1000 min";
        })"""
    )
    assert page.evaluate(_CUT) == []


def test_touch_is_told_what_touch_can(open_page: PageMaker) -> None:
    page = open_page(**PHONE)
    expect(page.locator("#drop-help")).to_have_text("or take one", use_inner_text=True)
    expect(open_page().locator("#drop-help")).to_have_text(
        "or drop one anywhere here, or paste it", use_inner_text=True
    )


def test_everything_fits_on_a_phone(open_page: PageMaker, shop: Shop) -> None:
    page = open_page(**PHONE)
    expect(page.locator("#samples .card").first).to_be_visible()
    check_fits(page)
    page.set_input_files("#file", shop.first("sneaker").path)
    expect(page.locator("#results .card")).to_have_count(24)
    expect(page.locator("#results .name").first).to_have_text(shop.first("sneaker").title)
    check_fits(page)
    page.locator("#filters summary").tap()
    expect(page.locator("#facets fieldset").first).to_be_visible()
    check_fits(page)
    page.locator("#results .card").nth(2).tap()
    page.wait_for_url("**/?item=*")
    check_fits(page)
