"""A node is killed: the page says at once what is missing, searches go on, and all is well when the node is back."""

from playwright.sync_api import Page, expect

from tests.browser.conftest import Shop


def test_dead_node_is_said_and_forgotten_when_it_is_back(page: Page, shop: Shop) -> None:
    page.set_input_files("#file", shop.first("mug").path)
    expect(page.locator("#results .card")).to_have_count(24)
    reached = page.locator('[data-notice="live-shards"]')
    expect(reached).to_have_count(0)
    shop.system.kill("node/n2")
    expect(reached).to_contain_text("cannot be reached (1 node silent: n2)")
    page.set_input_files("#file", shop.first("dress").path)
    expect(reached).to_have_count(0, timeout=60_000)
    expect(page.locator('[data-notice="answer-shards"]')).to_have_count(0)
    expect(page.locator("#results .card .name").first).to_have_text(shop.first("dress").title)
    shop.system.eventually(lambda: shop.system.get("/readyz")[0], 200)


def test_missing_shards_of_an_answer_are_said(page: Page, shop: Shop) -> None:
    """The answer as the router gives it when shards are away, held fast so that the page can be read."""

    # The item is on the node that was killed before, and comes back with its shard.
    query = {"item_id": shop.first("mug").item_id, "k": 24}
    shop.system.eventually(lambda: shop.system.post("/v1/search", query)[0], 200)
    _, answer = shop.system.post("/v1/search", query)
    partial = answer | {"shards": {"total": 3, "ok": 1, "failed": 1, "timed_out": 1}}
    page.route("**/v1/search", lambda route: route.fulfill(json=partial))
    page.set_input_files("#file", shop.first("mug").path)
    said = page.locator('[data-notice="answer-shards"]')
    expect(said).to_have_text(
        "2 of 3 shards did not answer (1 failed, 1 too late): their items are missing from these results."
    )
    expect(page.locator("#summary")).to_contain_text("1 of 3 shards answered")


def test_router_that_is_gone_is_said(page: Page, shop: Shop) -> None:
    """It is started again at once, so the page is kept from reaching it until all was read."""
    for path in ("**/readyz", "**/v1/live*"):
        page.route(path, lambda route: route.abort())
    shop.system.kill("router")
    expect(page.locator('[data-notice="unreachable"]')).to_contain_text("lookalive does not answer")
    expect(page.locator(".notice")).to_have_count(1)
    expect(page.locator("#live")).to_have_class("live lost")
    page.unroute_all()
    shop.system.eventually(lambda: shop.system.get("/readyz")[0], 200)
    expect(page.locator(".notice")).to_have_count(0, timeout=60_000)


def test_router_that_does_not_answer_a_search_is_said_once(page: Page, shop: Shop) -> None:
    expect(page.locator("#live-list .entry").first).to_be_visible()
    page.route("**/v1/search", lambda route: route.abort())
    page.route("**/readyz", lambda route: route.abort())
    page.set_input_files("#file", shop.first("mug").path)
    expect(page.locator("#summary")).to_have_text("No answer")
    expect(page.locator(".notice")).to_have_text(
        [
            "lookalive does not answer: if it was stopped, start it again in its "
            "terminal. This page then goes on by itself."
        ]
    )
    page.unroute("**/readyz")
    expect(page.locator(".notice")).to_have_count(0)


def test_error_is_seen_wherever_the_page_is_scrolled(page: Page, shop: Shop) -> None:
    page.set_input_files("#file", shop.first("mug").path)
    expect(page.locator("#results .card")).to_have_count(24)
    error = {"code": "busy", "message": "too many at once", "details": {}}
    page.route("**/v1/search", lambda route: route.fulfill(status=429, json={"error": error}))
    more = page.get_by_role("button", name="Show more")
    more.click()
    expect(page.locator(".notice.error")).to_have_text("too many at once")
    assert page.evaluate("scrollY") > 300
    expect(page.locator(".notice.error")).to_be_in_viewport(ratio=1)
    expect(page.locator("#results .card")).to_have_count(24)
    page.unroute("**/v1/search")
    more.click()
    expect(page.locator("#results .card")).to_have_count(48)
    expect(page.locator(".notice")).to_have_count(0)


def test_photo_without_an_embedder_is_said(page: Page, shop: Shop) -> None:
    error = {"code": "no_embedder", "message": "the model 'x' has failed", "details": {}}
    page.route("**/v1/search", lambda route: route.fulfill(status=503, json={"error": error}))
    page.set_input_files("#file", shop.first("mug").path)
    expect(page.locator(".notice.error")).to_contain_text("no_embedder")
    expect(page.locator("#results .card")).to_have_count(0)
