"""The start page, as a cinema-goer meets it."""

import re
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.picking import faint_texts, scrolls_sideways
from tests.browser.served import Served

pytestmark = pytest.mark.browser


@pytest.fixture
def programme(page: Page) -> Page:
    """The page, once it shows what is on."""
    page.goto("/")
    expect(page.locator(".slot").first).to_be_visible()
    return page


class TestStart:
    def test_lists_the_coming_days_and_leads_to_the_seats(self, programme: Page, shoot: Callable[[str], None]) -> None:
        expect(programme.get_by_role("navigation", name="Days").get_by_role("link")).not_to_have_count(0)
        expect(programme.locator("#zone")).to_contain_text(re.compile("Times are .+ Time"))
        shoot("start")
        film = programme.locator(".film", has=programme.locator(".slot", has_text="left")).first
        title = film.get_by_role("heading").inner_text()
        film.locator(".slot", has_text="left").first.click()
        expect(programme).to_have_url(re.compile(r"/shows/\d+/picker/$"))
        expect(programme.get_by_role("heading", level=1)).to_have_text(title)
        expect(programme.get_by_role("checkbox").first).to_be_visible()

    def test_a_new_show_is_there_with_its_seats(self, page: Page, served: Served) -> None:
        show = served.make_show(title="Portrait of a Lady on Fire, restored", seats=5)
        served.book(show, 1)
        page.goto("/")
        film = page.get_by_role("article").filter(has_text="Portrait of a Lady on Fire, restored")
        expect(film.get_by_role("link")).to_contain_text("4 of 5 left")
        expect(film.get_by_role("link")).to_have_attribute("href", f"/shows/{show}/picker/")

    def test_leads_developers_and_staff_on(self, programme: Page) -> None:
        links = programme.get_by_role("contentinfo").get_by_role("link")
        assert [link.get_attribute("href") for link in links.all()] == ["/swagger/", "/graphql/", "/admin/"]

    def test_fits_a_phone(self, programme: Page, shoot: Callable[[str], None]) -> None:
        programme.set_viewport_size({"width": 375, "height": 740})
        shoot("start-phone")
        assert not scrolls_sideways(programme)

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_can_be_read(self, programme: Page, scheme: Any, shoot: Callable[[str], None]) -> None:
        programme.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        shoot(f"start-{scheme}")
        assert faint_texts(programme) == []


@pytest.mark.parametrize("path", ["/", "/shows/1/picker/", "/shows/1/picker"])
def test_a_page_is_read_and_nothing_else(served: Served, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(served.origin + path, b"{}", method="POST"), timeout=10)
    assert (refused.value.code, refused.value.headers["Allow"]) == (405, "GET, HEAD")
    assert b'"method_not_allowed"' in refused.value.read()
