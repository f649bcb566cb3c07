"""An item whose id and attributes are markup is shown as text, and nothing of it runs."""

from pathlib import Path
from urllib.parse import quote_plus

from playwright.sync_api import Page, expect

from ops.sample.item import sample_item
from ops.sample.picture import save_picture
from tests.browser.conftest import Shop

MARKUP = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
ITEM_ID = f'"><svg onload=alert(1)> ../?#%2F&item=x {MARKUP}'
ATTRIBUTES = {
    "title": MARKUP,
    f"<b onmouseover=alert(1)>{MARKUP}": "javascript:alert(1)",
    "__proto__": {"polluted": True},
    "constructor": "prototype",
    "long": "w" * 5000,
    "nested": {"a": [MARKUP, {"b": None}]},
    "direction": "\u202egnp.exe",
}


def test_markup_is_text(page: Page, shop: Shop, tmp_path: Path) -> None:
    page.on("dialog", lambda dialog: (_ for _ in ()).throw(AssertionError(dialog.message)))
    drawn = sample_item(910, 99, tmp_path)
    save_picture(drawn, 99)
    shop.upsert(ITEM_ID, drawn.path, **ATTRIBUTES)
    shop.wait_for(ITEM_ID)
    title = page.title()
    page.set_input_files("#file", drawn.path)
    first = page.locator("#results .card").first
    expect(first.locator(".name")).to_have_text(MARKUP)
    expect(first.locator(".picture")).to_have_class("picture loaded")
    newest = page.locator("#live-list .entry").first
    expect(newest).to_have_attribute("data-item", ITEM_ID)
    expect(newest.locator(".entry-name")).to_have_text(MARKUP)
    first.click()
    expect(page.locator("#headline")).to_contain_text("<img src=x")
    assert page.url.endswith(f"?item={quote_plus(ITEM_ID)}")
    expect(page.locator("#results .card")).to_have_count(24)
    assert page.title() == title
    assert page.locator("main svg[onload], main script, img[src=x], b[onmouseover]").count() == 0
    assert page.evaluate("({}).polluted") is None
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shop.delete(ITEM_ID)
    shop.wait_for(ITEM_ID, found=False)


def test_nothing_inline_and_nothing_from_outside_may_run(page: Page) -> None:
    policy = page.request.get(page.url).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy and "http" not in policy and "*" not in policy
