"""The README's pictures of the page, taken from a running demo. Usage: screenshots.py FOLDER [URL]"""

import io
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from ops.sample_catalog import SampleItem, draw_catalog

COUNT, SEED = 24, 7
DESK = {"width": 1280, "height": 860}
PHONE = {"width": 360, "height": 740}
SETTLED_MS = 3000


def main() -> None:
    """Four pictures: by day, by night, with a crop, on a phone."""
    folder = Path(sys.argv[1])
    url = sys.argv[2] if len(sys.argv) > 2 else "http://127.0.0.1:8080/"
    with TemporaryDirectory() as drawn, sync_playwright() as api:
        items = {item.category: item for item in draw_catalog(Path(drawn), COUNT, SEED)}
        browser = api.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport=DESK)
        search(page, url, items["teapot"].path.read_bytes())
        keep(page, folder / "results.webp")
        page = browser.new_page(viewport=DESK, color_scheme="dark")
        search(page, url, items["sneaker"].path.read_bytes())
        keep(page, folder / "results-dark.webp")
        keep(cropped(browser, url, items), folder / "crop.webp")
        page = browser.new_page(viewport=PHONE, device_scale_factor=2, has_touch=True, is_mobile=True)
        search(page, url, items["dress"].path.read_bytes())
        page.evaluate("window.scrollTo(0, 330)")
        keep(page, folder / "phone.webp")
        browser.close()


def cropped(browser: Browser, url: str, items: dict[str, SampleItem]) -> Page:
    """Two goods in one photo, and a crop over one of them."""
    left, right = (Image.open(items[kind].path) for kind in ("boot", "handbag"))
    both = Image.new("RGB", (left.width + right.width, left.height))
    both.paste(left, (0, 0))
    both.paste(right, (left.width, 0))
    buffer = io.BytesIO()
    both.save(buffer, "PNG")
    page = browser.new_page(viewport=DESK)
    search(page, url, buffer.getvalue())
    box = page.locator(".surface").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.52, box["y"] + box["height"] * 0.04)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.98, box["y"] + box["height"] * 0.96, steps=5)
    page.mouse.up()
    return page


def search(page: Page, url: str, photo: bytes) -> None:
    """Open the page and give it a photo."""
    page.goto(url)
    page.set_input_files("#file", {"name": "photo.png", "mimeType": "image/png", "buffer": photo})
    page.wait_for_selector("#results .card:not(.skeleton)")


def keep(page: Page, path: Path) -> None:
    """Write what is seen, once pictures are there and nothing moves."""
    page.wait_for_timeout(SETTLED_MS)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.open(io.BytesIO(page.screenshot())).convert("RGB").save(path, quality=80, method=6)


if __name__ == "__main__":
    main()
