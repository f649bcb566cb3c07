"""A photo is picked, dropped or pasted, and its look-alikes are shown with picture, score and attributes."""

import base64

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PageMaker, Shop

_GIVE = """([bytes, way]) => {
  const data = Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([data], "photo.jpg", {type: "image/jpeg"}));
  const event = way === "drop"
    ? new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true})
    : new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true, cancelable: true});
  document.body.dispatchEvent(event);
}"""


def test_picked_photo_finds_its_item(page: Page, shop: Shop) -> None:
    item = shop.first("mug")
    page.set_input_files("#file", item.path)
    first = page.locator("#results .card").first
    expect(first.locator(".name")).to_have_text(item.title)
    expect(first.locator(".score-number")).to_have_text("1.000")
    expect(first.locator(".picture")).to_have_class("picture loaded")
    expect(first.locator(".facts")).to_contain_text(f"{item.price:.2f}")
    expect(page.locator("#results .card")).to_have_count(24)
    page.get_by_role("button", name="Show more").click()
    expect(page.locator("#results .card")).to_have_count(48)


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_given_photo_finds_its_item(page: Page, shop: Shop, way: str) -> None:
    item = shop.first("lamp")
    page.evaluate(_GIVE, [base64.b64encode(item.path.read_bytes()).decode(), way])
    expect(page.locator("#results .card .name").first).to_have_text(item.title)


def test_what_is_no_picture_is_said(page: Page, open_page: PageMaker) -> None:
    page.set_input_files("#file", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"not a picture"})
    expect(page.locator(".notice.error")).to_be_visible()
    expect(page.locator("#headline")).to_have_text("This is not a picture")
    expect(page.locator("#summary")).to_be_empty()
    expect(page.locator("#stage")).to_have_text("There is nothing to show: choose another photo.")
    expect(page.get_by_role("button", name="Crop")).to_be_hidden()
    expect(page.locator("#results .card")).to_have_count(0)


def test_after_what_is_no_picture_a_photo_is_searched_with(page: Page, shop: Shop) -> None:
    page.set_input_files("#file", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"not a picture"})
    expect(page.locator("#headline")).to_have_text("This is not a picture")
    page.set_input_files("#file", shop.first("mug").path)
    expect(page.locator("#results .card")).to_have_count(24)
    expect(page.locator("#headline")).to_have_text("Looks like your photo")
    expect(page.get_by_role("button", name="Crop")).to_be_visible()
    expect(page.locator(".notice")).to_have_count(0)
