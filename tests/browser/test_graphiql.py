"""GraphiQL, as a front-end developer meets it."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.graphiql import execute, log_in, result, run, take_tab, write
from tests.browser.served import Served
from tests.doors import global_id

pytestmark = pytest.mark.browser

WALK = ["SignUp", "LogIn", "Programme", "BookSeat", "MyBookings", "CancelBooking"]


class TestWalk:
    def test_has_a_tab_for_each_step_that_runs_as_it_stands(self, graphiql: Page, shoot: Callable[[str], None]) -> None:
        expect(graphiql.locator(".graphiql-tab-button")).to_have_text([*WALK, "WatchSeats"])
        shoot("graphiql")
        assert execute(graphiql)["data"]["signup"]["username"] == "alice"  # the first thing that a newcomer does
        answers = {name: run(graphiql, name) for name in WALK}
        assert [answer.get("errors") for answer in answers.values()] == [None] * len(WALK)
        assert len(answers["Programme"]["data"]["movies"]["nodes"]) == 5
        take_tab(graphiql, "Programme")
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
        graphiql.locator(".graphiql-explorer-root").get_by_text("databaseId").first.click()
        expect(graphiql.locator(".graphiql-query-editor")).to_contain_text("databaseId")
        shoot("graphiql-explorer")

    def test_the_editor_completes_and_explains(self, graphiql: Page) -> None:
        write(graphiql, ".graphiql-query-editor", "{ mov")
        graphiql.keyboard.press("Control+Space")
        graphiql.locator(".CodeMirror-hints").get_by_text("movies", exact=True).click()
        expect(graphiql.locator(".graphiql-query-editor")).to_contain_text("{ movies")
        graphiql.get_by_role("button", name="Prettify query").hover()
        expect(graphiql.get_by_role("tooltip")).to_contain_text("Prettify")


class TestLooks:
    def test_follow_the_theme_that_is_chosen(self, graphiql: Page, shoot: Callable[[str], None]) -> None:
        bar = expect(graphiql.locator("#who"))
        bar.to_have_css("background-color", "rgb(241, 244, 248)")
        graphiql.emulate_media(color_scheme="dark")
        bar.to_have_css("background-color", "rgb(26, 33, 48)")
        run(graphiql, "Programme")
        result(graphiql).to_contain_text('"totalCount"')
        shoot("graphiql-dark")
        graphiql.get_by_role("button", name="Open short keys dialog").click()
        expect(graphiql.get_by_role("dialog")).to_contain_text("Short Keys")
        graphiql.keyboard.press("Escape")
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
