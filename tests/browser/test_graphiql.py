"""GraphiQL, as a front-end developer meets it."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.served import Served
from tests.browser.watch import Watch
from tests.doors import global_id

pytestmark = pytest.mark.browser

WALK = ["SignUp", "LogIn", "Programme", "BookSeat", "MyBookings", "CancelBooking"]


@pytest.fixture
def graphiql(page: Page) -> Page:
    page.goto("/graphql/")
    expect(page.locator(".graphiql-query-editor")).to_contain_text("SignUp(")
    return page


def take_tab(page: Page, name: str) -> None:
    page.locator(".graphiql-tab-button", has_text=name).click()
    expect(page.locator(".graphiql-query-editor")).to_contain_text(f"{name}(")


def write(page: Page, editor: str, text: str) -> None:
    page.locator(editor).locator(".CodeMirror:visible").click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.insert_text(text)


def run(page: Page, name: str, variables: Any = None) -> Any:
    """Run what a tab holds, and give what the server answered."""
    take_tab(page, name)
    if variables is not None:
        write(page, ".graphiql-editor-tool", json.dumps(variables))
    return execute(page)


def execute(page: Page) -> Any:
    with page.expect_response("**/graphql/") as answered:
        page.locator(".graphiql-execute-button").click()
    return answered.value.json()


def result(page: Page) -> Any:
    return expect(page.locator(".result-window"))


def log_in(page: Page, served: Served) -> None:
    run(page, "LogIn", {"input": {"username": "customer", "password": served.passwords["customer"]}})
    expect(page.locator("#told")).to_contain_text("HTTP 200")


class TestWalk:
    def test_begins_with_a_tab_for_each_step(self, graphiql: Page, shoot: Callable[[str], None]) -> None:
        expect(graphiql.locator(".graphiql-tab-button")).to_have_text(WALK)
        for name in reversed(WALK):
            take_tab(graphiql, name)
        shoot("graphiql")

    def test_a_query_shows_the_films(self, graphiql: Page, shoot: Callable[[str], None]) -> None:
        assert len(run(graphiql, "Programme")["data"]["movies"]["nodes"]) == 5
        result(graphiql).to_contain_text('"totalCount"')
        shoot("graphiql-programme")

    def test_a_login_hands_the_token_to_a_booking(self, graphiql: Page, served: Served) -> None:
        show = served.make_show(title="The Third Man", seats=5)
        log_in(graphiql, served)
        expect(graphiql.get_by_label("Access token")).to_have_value(re.compile(r"^ey[^.]+\.[^.]+\.[^.]+$"))
        booking = {"showId": global_id("Show", show), "seatNumber": 3}
        answer = run(graphiql, "BookSeat", {"input": booking})["data"]["bookSeat"]
        assert (answer["seatNumber"], answer["status"]) == (3, "BOOKED")
        result(graphiql).to_contain_text('"BOOKED"')
        assert served.available(show) == 4
        cancelled = run(graphiql, "CancelBooking", {"input": {"bookingId": answer["id"]}})
        assert cancelled["data"]["cancelBooking"]["status"] == "CANCELLED"
        assert served.available(show) == 5

    def test_every_step_runs_as_it_stands(self, graphiql: Page) -> None:
        for name in WALK:
            assert "errors" not in run(graphiql, name)
        expect(graphiql.get_by_label("Access token")).not_to_be_empty()


class TestToken:
    def test_stays_when_the_page_is_loaded_again(self, graphiql: Page, served: Served) -> None:
        log_in(graphiql, served)
        token = graphiql.get_by_label("Access token").input_value()
        graphiql.reload()
        expect(graphiql.get_by_label("Access token")).to_have_value(token)

    def test_may_be_pasted_with_what_was_around_it(self, graphiql: Page, served: Served) -> None:
        token = served.token("customer")
        for pasted in (f"Bearer {token}", f'"{token}"', f" {token} "):
            graphiql.get_by_label("Access token").fill(pasted)
            assert run(graphiql, "MyBookings")["data"]["me"] == {"username": "customer"}

    def test_that_is_refused_is_taken_out(self, graphiql: Page, served: Served, watch: Watch) -> None:
        graphiql.get_by_label("Access token").fill("expired")
        watch.pardon("401")
        assert run(graphiql, "MyBookings")["errors"][0]["extensions"]["code"] == "token_not_valid"
        expect(graphiql.locator("#told")).to_contain_text("log in again")
        expect(graphiql.get_by_label("Access token")).to_have_value("")
        log_in(graphiql, served)

    def test_that_is_refused_leaves_the_documentation(self, graphiql: Page) -> None:
        graphiql.get_by_label("Access token").fill("expired")
        graphiql.reload()
        graphiql.get_by_role("button", name="Show Documentation Explorer").click()
        expect(graphiql.locator(".graphiql-doc-explorer")).to_contain_text("Root Types")

    def test_yields_to_the_one_among_the_headers(self, graphiql: Page, served: Served) -> None:
        graphiql.get_by_label("Access token").fill("expired")
        take_tab(graphiql, "MyBookings")
        graphiql.get_by_role("button", name="Headers").click()
        header = json.dumps({"authorization": f"Bearer {served.token('customer')}"})
        write(graphiql, ".graphiql-editor-tool", header)
        assert execute(graphiql)["data"]["me"] == {"username": "customer"}


class TestFailures:
    def test_a_server_that_is_gone_is_told(self, graphiql: Page, served: Served, watch: Watch) -> None:
        graphiql.route("**/graphql/", lambda route: route.abort("connectionrefused"))
        watch.pardon("ERR_CONNECTION_REFUSED|CONNECTION_REFUSED|failed: POST .*/graphql/")
        take_tab(graphiql, "Programme")
        graphiql.locator(".graphiql-execute-button").click()
        result(graphiql).to_contain_text(f"There is no answer from {served.origin}/graphql/")

    def test_a_proxys_page_is_told(self, graphiql: Page, watch: Watch) -> None:
        def answer(route: Route) -> None:
            route.fulfill(status=502, content_type="text/html", body="<h1>Bad Gateway</h1>")

        graphiql.route("**/graphql/", answer)
        watch.pardon("502")
        take_tab(graphiql, "Programme")
        graphiql.locator(".graphiql-execute-button").click()
        result(graphiql).to_contain_text("HTTP 502")
        result(graphiql).to_contain_text("<h1>Bad Gateway</h1>")


class TestPanes:
    def test_the_documentation_shows_the_schema(self, graphiql: Page) -> None:
        graphiql.get_by_role("button", name="Show Documentation Explorer").click()
        docs = graphiql.locator(".graphiql-doc-explorer")
        docs.get_by_role("link", name="Mutation", exact=True).click()
        expect(docs).to_contain_text("bookSeat")
        expect(docs).to_contain_text("A booking in the answer is durable.")

    def test_the_explorer_writes_the_query(self, graphiql: Page, shoot: Callable[[str], None]) -> None:
        take_tab(graphiql, "Programme")
        graphiql.get_by_role("button", name="Show GraphiQL Explorer").click()
        explorer = graphiql.locator(".graphiql-explorer-root")
        explorer.get_by_text("hasNextPage").or_(explorer.get_by_text("pageInfo")).first.click()
        expect(graphiql.locator(".graphiql-query-editor")).to_contain_text("pageInfo")
        shoot("graphiql-explorer")

    def test_the_dialogs_open(self, graphiql: Page) -> None:
        for name in ("Open short keys dialog", "Open settings dialog"):
            graphiql.get_by_role("button", name=name).click()
            expect(graphiql.get_by_role("dialog")).to_be_visible()
            graphiql.keyboard.press("Escape")
            expect(graphiql.get_by_role("dialog")).to_have_count(0)


class TestLooks:
    def test_follow_the_theme_that_is_chosen(self, graphiql: Page, shoot: Callable[[str], None]) -> None:
        bar = expect(graphiql.locator("#who"))
        bar.to_have_css("background-color", "rgb(241, 244, 248)")
        graphiql.emulate_media(color_scheme="dark")
        bar.to_have_css("background-color", "rgb(26, 33, 48)")
        run(graphiql, "Programme")
        result(graphiql).to_contain_text('"totalCount"')
        shoot("graphiql-dark")
        graphiql.get_by_role("button", name="Open settings dialog").click()
        graphiql.get_by_role("button", name="Light").click()
        bar.to_have_css("background-color", "rgb(241, 244, 248)")

    def test_stack_the_panes_in_a_narrow_window(self, graphiql: Page, shoot: Callable[[str], None]) -> None:
        graphiql.set_viewport_size({"width": 400, "height": 800})
        run(graphiql, "Programme")
        result(graphiql).to_contain_text('"totalCount"')
        shoot("graphiql-narrow")
        question = graphiql.locator(".graphiql-query-editor").bounding_box()
        answer = graphiql.locator(".result-window").bounding_box()
        assert question
        assert answer
        assert question["y"] + question["height"] <= answer["y"]
        assert answer["width"] > 300
        assert graphiql.evaluate("document.documentElement.scrollWidth") <= 400
