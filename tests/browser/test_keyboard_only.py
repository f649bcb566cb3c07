"""Everything by keyboard: skip link, photo, crop, filter, an item's look-alikes, and back."""

from contextlib import suppress

import pytest
from playwright.sync_api import FileChooser, Page, TimeoutError, expect

from tests.browser.conftest import Shop, until


def focused(page: Page) -> str:
    """The id, or else the words, of what has the focus."""
    return str(page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))


def tab_to(page: Page, name: str, most: int = 120) -> None:
    """Press Tab until this has the focus."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if focused(page) == name:
            return
    raise AssertionError(f"{name!r} cannot be reached with {most} tabs; the last was {focused(page)!r}")


def choose_by_key(page: Page) -> FileChooser:
    """The file dialogue of what has the focus; a headless browser that is busy may pass the first key over."""
    for _ in range(4):
        with suppress(TimeoutError), page.expect_file_chooser(timeout=5000) as chooser:
            page.keyboard.press("Space")
            return chooser.value
    raise AssertionError("no file dialogue opens by key")


def test_search_crop_filter_and_similar_by_keyboard(page: Page, shop: Shop) -> None:
    page.keyboard.press("Tab")
    assert focused(page) == "Skip to the results"
    tab_to(page, "file")
    choose_by_key(page).set_files(shop.first("mug").path)
    expect(page.locator("#results .card")).to_have_count(24)

    tab_to(page, "crop-button")
    page.keyboard.press("Enter")
    frame = page.locator(".crop")
    expect(frame).to_be_focused()
    expect(frame).to_have_attribute("aria-label", "Crop: 60 by 60 percent, 20 from the left, 20 from the top")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    until(page, "Math.abs((window.asked.at(-1).crop?.height ?? 0) - 0.62) < 1e-9")
    assert page.evaluate("window.asked.at(-1).crop") == pytest.approx(
        {"x": 0.22, "y": 0.2, "width": 0.6, "height": 0.62}
    )
    expect(frame).to_have_attribute("aria-label", "Crop: 60 by 62 percent, 22 from the left, 20 from the top")
    expect(page.locator("#headline")).to_have_text("Looks like the part of your photo")
    page.keyboard.press("Escape")
    expect(frame).to_be_hidden()
    expect(page.locator("#headline")).to_have_text("Looks like your photo")

    page.locator("#crop-button").focus()
    tab_to(page, "filter-json")
    page.keyboard.type('{"category": "mug"}')
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    mugs = [item for item in shop.items if item.category == "mug"]
    expect(page.locator("#results .card")).to_have_count(len(mugs))
    tab_to(page, mugs[0].title)
    page.keyboard.press("Enter")
    expect(page.locator("#headline")).to_have_text(f"Looks like {mugs[0].title}")
    expect(page.locator("#headline")).to_be_focused()
    page.go_back()
    expect(page.locator("#headline")).to_have_text("Looks like your photo")


def test_what_has_the_focus_is_seen(page: Page) -> None:
    """Each stop of the Tab key has an outline of its own or on what stands for it."""
    expect(page.locator("#samples .card").first).to_be_visible()
    for _ in range(14):
        page.keyboard.press("Tab")
        outlined = page.evaluate(
            """() => { let one = document.activeElement;
              if (one.id === "file") one = document.getElementById("drop");
              if (one.matches(".name")) one = one.closest(".card");
              return getComputedStyle(one).outlineStyle; }"""
        )
        assert outlined != "none", focused(page)
