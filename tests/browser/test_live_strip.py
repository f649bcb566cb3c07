"""What becomes searchable shows in the strip with its delay, and what is shown already is kept true."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from ops.sample.item import sample_item
from ops.sample.picture import save_picture
from tests.browser.conftest import Shop


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Two pictures that no item has."""
    items = [sample_item(number, 99, tmp_path) for number in (900, 901)]
    for item in items:
        save_picture(item, 99)
    return [item.path for item in items]


def test_strip_tells_of_each_kind_of_change(page: Page, shop: Shop, pictures: list[Path]) -> None:
    entry = page.locator('#live-list .entry[data-item="strip-1"]').first
    shop.upsert("strip-1", pictures[0], price=10.5)
    for kind, change in (
        ("new", None),
        ("changed", {"op": "patch", "item_id": "strip-1", "attributes": {"price": 11.5}}),
        ("new picture", {"op": "upsert", "item_id": "strip-1", "image_url": pictures[1].as_uri()}),
        ("withdrawn", {"op": "delete", "item_id": "strip-1"}),
    ):
        if change is not None:
            shop.send(change)
        expect(entry.locator(".entry-kind")).to_have_text(kind)
        assert re.fullmatch(r"\d+ ms|\d+(\.\d)? s|\d+ min", entry.locator(".entry-delay").inner_text())
    expect(page.locator("#live-figure")).to_contain_text("from change to searchable")
    shop.wait_for("strip-1", found=False)


def test_titles_are_shown_where_items_have_one(page: Page, shop: Shop, pictures: list[Path]) -> None:
    name = page.locator('#live-list .entry[data-item="strip-4"] .entry-name').first
    shop.upsert("strip-4", pictures[0], title="A fine <b>mug</b>")
    expect(name).to_have_text("A fine <b>mug</b>")
    shop.send({"op": "patch", "item_id": "strip-4", "attributes": {"title": "A finer mug"}})
    expect(name).to_have_text("A finer mug")
    shop.delete("strip-4")
    expect(page.locator(".entry.kind-deleted .entry-name").first).to_have_text("A finer mug")
    shop.wait_for("strip-4", found=False)
    titles = {item.title for item in shop.items}
    expect(page.locator("#samples .name").first).not_to_have_text(re.compile(r"^\S+-\d+$"))
    assert page.locator("#samples .name").first.inner_text() in titles


def test_pause_holds_the_strip(page: Page, shop: Shop, pictures: list[Path]) -> None:
    expect(page.locator("#live-list .entry").first).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    shop.upsert("strip-2", pictures[0])
    shop.wait_for("strip-2")
    page.wait_for_timeout(1000)
    expect(page.locator('#live-list .entry[data-item="strip-2"]')).to_have_count(0)
    page.get_by_role("button", name="Pause").click()
    expect(page.locator('#live-list .entry[data-item="strip-2"]')).to_have_count(1)
    shop.delete("strip-2")
    shop.wait_for("strip-2", found=False)


def test_shown_results_follow_the_catalogue(page: Page, shop: Shop, pictures: list[Path]) -> None:
    shop.upsert("strip-3", pictures[0], price=10.5)
    shop.wait_for("strip-3")
    page.set_input_files("#file", pictures[0])
    card = page.locator('#results .card[data-item="strip-3"]')
    expect(card.locator(".facts")).to_contain_text("10.50")
    shop.send({"op": "patch", "item_id": "strip-3", "attributes": {"price": 7.25}})
    expect(card.locator(".fact.fresh")).to_contain_text("7.25")
    expect(card.locator(".said")).to_contain_text("searchable after")
    shop.delete("strip-3")
    expect(card).to_have_class(re.compile(r"\bgone\b"))
    expect(card.locator(".said")).to_contain_text("withdrawn")
    shop.wait_for("strip-3", found=False)


def test_samples_teach_how_to_begin(page: Page, shop: Shop) -> None:
    sample = page.locator("#samples .card").first
    expect(sample).to_be_visible()
    item_id = sample.get_attribute("data-item")
    sample.click()
    page.wait_for_url(f"**/?item={item_id}")
    expect(page.locator("#results .card")).to_have_count(24)
    expect(page.locator("#welcome")).to_be_hidden()
