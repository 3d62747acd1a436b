"""A real Chromium, a really served application, and an eye on every page."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.served import Served, serve
from tests.browser.watch import Watch

CHROMIUM = os.environ.get("CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
PATIENCE = 10_000  # milliseconds; a page that is well needs a tenth of them

expect.set_options(timeout=PATIENCE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if CHROMIUM is None:
        for item in items:
            if item.get_closest_marker("browser"):
                item.add_marker(pytest.mark.skip(reason="no Chromium is installed"))


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve(tmp_path_factory.mktemp("served")) as application:
        yield application


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    # Not for the session: Playwright's event loop runs in this thread, and while it does, Django refuses to ask the
    # database in tests of other packages.
    with sync_playwright() as playwright:
        # Chromium refuses its sandbox to root.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser, served: Served) -> Iterator[BrowserContext]:
    context = browser.new_context(base_url=served.origin, viewport={"width": 1280, "height": 800})
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()


@pytest.fixture
def watch(context: BrowserContext, served: Served) -> Iterator[Watch]:
    watch = Watch(context, served.origin)
    yield watch
    assert watch.faults == []


@pytest.fixture
def page(context: BrowserContext, watch: Watch) -> Page:
    """A page whose every fault fails the test, also those that the test does not look for."""
    return context.new_page()


@pytest.fixture
def graphiql(page: Page) -> Page:
    """The page, once GraphiQL has learnt the schema and opened its first tab."""
    with page.expect_response(lambda response: response.request.method == "POST") as schema:
        page.goto("/graphql/")
    schema.value.finished()
    expect(page.locator(".graphiql-query-editor")).to_contain_text("mutation SignUp")
    return page


@pytest.fixture
def shoot(page: Page) -> Callable[[str], None]:
    """Save a screenshot where ``SCREENSHOTS`` names a folder for them."""

    def save(name: str) -> None:
        if folder := os.environ.get("SCREENSHOTS"):
            page.screenshot(path=Path(folder) / f"{name}.png")

    return save
