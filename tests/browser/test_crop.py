"""A crop dragged over the photo, by mouse and by finger, is what is searched with."""

import io

from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import PageMaker, Shop, next_query


def collage(shop: Shop) -> bytes:
    """Two items beside each other."""
    left, right = (Image.open(shop.first(kind).path) for kind in ("mug", "dress"))
    sheet = Image.new("RGB", (left.width + right.width, max(left.height, right.height)), "white")
    sheet.paste(left, (0, 0))
    sheet.paste(right, (left.width, 0))
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()


def test_dragged_crop_finds_what_is_in_it(page: Page, shop: Shop) -> None:
    page.set_input_files("#file", {"name": "two.png", "mimeType": "image/png", "buffer": collage(shop)})
    expect(page.locator("#results .card .name").first).to_be_visible()
    box = page.locator(".surface").bounding_box()
    assert box is not None
    with next_query(page) as asked:
        page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 1)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] - 1, box["y"] + box["height"] - 1, steps=4)
        page.mouse.up()
    crop = asked["crop"]
    assert abs(crop["x"] - 0.5) < 0.02 and crop["width"] > 0.45 and crop["height"] > 0.95
    expect(page.locator("#results .card .name").first).to_have_text(shop.first("dress").title)
    expect(page.locator("#headline")).to_have_text("Looks like the part of your photo")

    with next_query(page) as whole:
        page.get_by_role("button", name="Whole picture").click()
    assert "crop" not in whole
    expect(page.locator(".crop")).to_be_hidden()


def test_finger_draws_a_crop(open_page: PageMaker, shop: Shop) -> None:
    page = open_page(viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    page.set_input_files("#file", shop.first("mug").path)
    expect(page.locator("#results .card .name").first).to_be_visible()
    box = page.locator(".surface").bounding_box()
    assert box is not None
    touch = page.context.new_cdp_session(page)

    def at(x: float, y: float) -> list[dict[str, float]]:
        return [{"x": box["x"] + box["width"] * x, "y": box["y"] + box["height"] * y}]

    with next_query(page) as asked:
        touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": at(0.2, 0.2)})
        touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": at(0.5, 0.5)})
        touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": at(0.8, 0.7)})
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    crop = asked["crop"]
    assert abs(crop["x"] - 0.2) < 0.03 and abs(crop["width"] - 0.6) < 0.03 and abs(crop["height"] - 0.5) < 0.03
