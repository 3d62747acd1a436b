"""A subscription in GraphiQL: what others do appears as they do it."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.graphiql import execute, result, take_tab, write
from tests.browser.served import Served
from tests.browser.watch import Watch
from tests.doors import global_id

pytestmark = pytest.mark.browser


def watch_seats(page: Page, show: int) -> None:
    take_tab(page, "WatchSeats")
    write(page, ".graphiql-editor-tool", f'{{"showId": "{global_id("Show", show)}"}}')
    page.locator(".graphiql-execute-button").click()


def test_a_booking_made_elsewhere_appears(graphiql: Page, served: Served, shoot: Callable[[str], None]) -> None:
    show = served.make_show(title="The Third Man")
    watch_seats(graphiql, show)
    result(graphiql).to_contain_text('"A5"')  # all seats at first
    served.book(show, 3)
    result(graphiql).to_contain_text('"BOOKED"')
    result(graphiql).not_to_contain_text('"A5"')  # then what changes
    expect(graphiql.locator("#message")).to_contain_text("watching")
    shoot("graphiql-live")
    served.book(show, 4)
    result(graphiql).to_contain_text('"A4"')


def test_can_be_stopped_and_other_things_asked(graphiql: Page, served: Served) -> None:
    show = served.make_show(title="The Lady Vanishes")
    watch_seats(graphiql, show)
    result(graphiql).to_contain_text('"AVAILABLE"')
    graphiql.get_by_role("button", name="Stop query").click()
    expect(graphiql.locator("#message")).to_contain_text("no longer watching")
    served.book(show, 3)
    take_tab(graphiql, "Programme")
    assert execute(graphiql)["data"]["movies"]["totalCount"]
    result(graphiql).not_to_contain_text("BOOKED")


def test_a_show_that_there_is_not_is_told(graphiql: Page, watch: Watch) -> None:
    watch.pardon("404")
    take_tab(graphiql, "WatchSeats")  # as it stands
    assert execute(graphiql)["errors"][0]["extensions"]["code"] == "not_found"
