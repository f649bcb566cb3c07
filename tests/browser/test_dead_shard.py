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

    status, answer = shop.system.post("/v1/search", {"item_id": shop.first("mug").item_id, "k": 24})
    assert status == 200
    partial = answer | {"shards": {"total": 3, "ok": 1, "failed": 1, "timed_out": 1}}
    page.route("**/v1/search", lambda route: route.fulfill(json=partial))
    page.set_input_files("#file", shop.first("mug").path)
    said = page.locator('[data-notice="answer-shards"]')
    expect(said).to_have_text(
        "2 of 3 shards did not answer (1 failed, 1 too late): their items are missing from these results."
    )
    expect(page.locator("#summary")).to_contain_text("1 of 3 shards answered")


def test_router_that_is_gone_is_said(page: Page, shop: Shop) -> None:
    shop.system.kill("router")
    expect(page.locator('[data-notice="live"]')).to_contain_text("interrupted")
    expect(page.locator("#live")).to_have_class("live lost")
    shop.system.eventually(lambda: shop.system.get("/readyz")[0], 200)
    expect(page.locator('[data-notice="live"]')).to_have_count(0, timeout=60_000)
    expect(page.locator('[data-notice="ready"]')).to_have_count(0, timeout=60_000)


def test_photo_without_an_embedder_is_said(page: Page, shop: Shop) -> None:
    error = {"code": "no_embedder", "message": "the model 'x' has failed", "details": {}}
    page.route("**/v1/search", lambda route: route.fulfill(status=503, json={"error": error}))
    page.set_input_files("#file", shop.first("mug").path)
    expect(page.locator(".notice.error")).to_contain_text("no_embedder")
    expect(page.locator("#results .card")).to_have_count(0)
