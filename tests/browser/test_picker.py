"""The seat picker, as cinema-goers meet it."""

import itertools
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from graphql import build_schema, parse, validate
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.picking import PASSWORD, Visitor, faint_texts, make_account, scrolls_sideways
from tests.browser.served import Served
from tests.browser.watch import Watch
from tests.service import ROOT, Service, serving

pytestmark = pytest.mark.browser

_numbers = itertools.count(1)


def new_name(who: str) -> str:
    return f"{who}{next(_numbers)}"


@pytest.fixture
def show(served: Served) -> int:
    """A show of three rows of ten seats."""
    return served.make_show(title="The Third Man", seats=30)


@pytest.fixture
def alice(page: Page, served: Served, show: int) -> Visitor:
    """Alice, who has signed in."""
    visitor = Visitor(page)
    visitor.open(show)
    visitor.sign_in(make_account(served, new_name("alice")))
    return visitor


@pytest.fixture
def bob(browser: Browser, served: Served, show: int) -> Iterator[Visitor]:
    """Bob, at another machine; he has not signed in."""
    context = browser.new_context(base_url=served.origin, viewport={"width": 1280, "height": 800})
    watch = Watch(context, served.origin)
    visitor = Visitor(context.new_page())
    visitor.open(show)
    yield visitor
    assert watch.faults == []
    context.close()


class TestOneVisitor:
    def test_holds_and_confirms(self, alice: Visitor, served: Served, show: int, shoot: Callable[[str], None]) -> None:
        alice.choose("B4", "B5")
        shoot("picker-chosen")
        alice.press("Hold 2 seats")
        alice.is_told("Held for you: B4 and B5.")
        expect(alice.holds.get_by_role("timer")).to_have_text(re.compile("^(10:00|9:5[0-9])$"))
        alice.sees("B4", "held for you")
        shoot("picker-held")
        alice.press("Confirm booking")
        alice.is_told("Booked: B4 and B5.")
        alice.sees("B5", "booked by you")
        expect(alice.bookings).to_have_count(2)
        shoot("picker-booked")
        assert served.available(show) == 28

    def test_extends_and_releases_a_hold(self, alice: Visitor, served: Served, show: int) -> None:
        alice.choose("A1")
        alice.press("Hold 1 seat")
        alice.press("Extend")
        alice.is_told("A1: held until")
        alice.press("Release")
        alice.is_told("Released: A1.")
        alice.sees("A1", "available")
        expect(alice.holds).to_have_count(0)
        assert served.available(show) == 30

    def test_books_at_once(self, alice: Visitor, served: Served, show: int) -> None:
        alice.choose("C9", "C10")
        alice.press("Book now")
        alice.is_told("Booked: C9 and C10.")
        assert served.available(show) == 28

    def test_chooses_ten_seats_and_no_more(self, alice: Visitor) -> None:
        alice.choose(*(f"A{column}" for column in range(1, 11)), "B1")
        alice.is_told("Ten seats can be chosen at a time.")
        alice.sees("B1", "available")
        alice.press("Clear")
        alice.sees("A1", "available")

    def test_moves_a_booking_to_another_seat(self, alice: Visitor, served: Served, show: int) -> None:
        alice.choose("A1")
        alice.press("Book now")
        alice.press("Move: A1")
        alice.choose("C7")
        alice.is_told("your seat is C7 now")
        alice.sees("A1", "available")
        alice.sees("C7", "booked by you")
        expect(alice.bookings).to_have_count(1)
        assert served.available(show) == 29

    def test_thinks_better_of_moving(self, alice: Visitor) -> None:
        alice.choose("A1")
        alice.press("Book now")
        alice.press("Move: A1")
        alice.page.keyboard.press("Escape")
        alice.is_told("You keep seat A1.")
        alice.choose("C7")
        alice.sees("C7", "chosen by you")

    def test_cancels_when_asked_twice(self, alice: Visitor, served: Served, show: int) -> None:
        alice.choose("A1")
        alice.press("Book now")
        alice.press("Cancel: A1")
        alice.press("Keep it")
        alice.sees("A1", "booked by you")
        alice.press("Cancel: A1")
        alice.press("Yes, cancel it")
        alice.is_told("Cancelled: seat A1 is free again.")
        alice.sees("A1", "available")
        assert served.available(show) == 30

    def test_finds_her_hold_again_on_the_next_visit(self, alice: Visitor) -> None:
        alice.choose("A1")
        alice.press("Hold 1 seat")
        alice.sees("A1", "held for you")
        alice.page.reload()
        alice.sees("A1", "held for you")
        expect(alice.holds).to_have_count(1)
        alice.press("Sign out")
        alice.sees("A1", "held for somebody else")
        expect(alice.holds).to_have_count(0)

    def test_sees_the_time_that_is_left_although_her_clock_is_wrong(
        self, page: Page, served: Served, show: int
    ) -> None:
        page.clock.install(time=datetime.now(UTC) + timedelta(hours=1))
        alice = Visitor(page)
        alice.open(show)
        alice.sign_in(make_account(served, new_name("alice")))
        alice.choose("A1")
        alice.press("Hold 1 seat")
        expect(alice.holds.get_by_role("timer")).to_have_text(re.compile("^(10:00|9:5[0-9])$"))


class TestBestAvailable:
    def test_is_shown_or_held(self, alice: Visitor) -> None:
        alice.page.get_by_label("How many").fill("3")
        alice.press("Choose for me")
        alice.is_told("Chosen: B4, B5, B6.")
        alice.sees("B5", "chosen by you")
        alice.press("Hold the best")
        alice.is_told("Held for you:")
        expect(alice.holds).to_have_count(1)
        alice.sees("B5", "held for you")

    def test_leads_to_a_later_show_where_there_is_no_such_block(
        self, page: Page, served: Served, shoot: Callable[[str], None]
    ) -> None:
        show = served.make_show(title="Stalker", seats=5)
        served.book(show, 3)
        later = make_later_show(served, show)
        visitor = Visitor(page)
        visitor.open(show)
        page.get_by_label("How many").fill("4")
        visitor.press("Choose for me")
        visitor.is_told("The most seats side by side are 2.")
        expect(page.locator("#message").get_by_role("link")).to_have_attribute("href", f"/shows/{later}/picker/")
        page.get_by_label("need not be side by side").check()
        visitor.press("Choose for me")
        visitor.is_told("Chosen: A1, A2, A4, A5.")
        shoot("picker-best")


def make_later_show(served: Served, show: int) -> int:
    movie = served.send("GET", f"/shows/{show}/")["movie"]["id"]
    later = {"screen_name": "Studio", "date_time": "2099-12-24T18:30:00Z", "total_seats": 8}
    return int(served.send("POST", f"/movies/{movie}/shows/", later, served.token("staff"))["id"])


class TestSigningIn:
    def test_signs_up_in_the_page_and_goes_on_with_the_hold(
        self, page: Page, served: Served, show: int, shoot: Callable[[str], None]
    ) -> None:
        carol, name = Visitor(page), new_name("carol")
        carol.open(show)
        carol.choose("A1")
        carol.press("Hold 1 seat")
        carol.press("I am new here")
        carol.fill_in(name, "12345678")
        expect(page.locator("#account-password-wrong")).not_to_be_empty()
        expect(page.get_by_label("Password")).to_be_focused()
        shoot("picker-sign-up")
        carol.fill_in(name)
        carol.is_told("Held for you: A1.")
        expect(page.locator("#who")).to_have_text(f"Signed in as {name}")

    def test_tells_a_wrong_password(self, page: Page, served: Served, show: int) -> None:
        visitor = Visitor(page)
        visitor.open(show)
        page.locator("#session").click()
        visitor.fill_in(make_account(served, new_name("dan")), "not the password")
        expect(page.get_by_role("alert")).to_have_text("There is no account with this name and password.")
        page.keyboard.press("Escape")
        expect(page.locator("#session")).to_have_text("Sign in")

    def test_a_token_that_has_run_out_is_renewed_unseen(self, alice: Visitor, watch: Watch) -> None:
        watch.pardon("401")
        break_token(alice.page, "access")
        alice.choose("A1")
        alice.press("Book now")
        alice.is_told("Booked: A1.")

    def test_a_session_that_is_over_asks_to_sign_in_again(self, alice: Visitor, watch: Watch) -> None:
        watch.pardon("401")
        break_token(alice.page, "access")
        break_token(alice.page, "refresh")
        alice.choose("A1")
        alice.press("Book now")
        alice.is_told("Please sign in again.")
        expect(alice.page.locator("#session")).to_have_text("Sign in")
        alice.sees("A1", "chosen by you")
        alice.press("Book now")
        expect(alice.page.get_by_role("dialog", name="Sign in")).to_be_visible()


def break_token(page: Page, which: str) -> None:
    page.evaluate(
        """(which) => {
          const kept = "movie-ticket-booking:session";
          const pair = JSON.parse(sessionStorage.getItem(kept));
          sessionStorage.setItem(kept, JSON.stringify({ ...pair, [which]: pair[which].slice(0, -4) + "AAAA" }));
        }""",
        which,
    )


class TestTwoVisitors:
    def test_the_loser_sees_the_seat_go_within_a_second(
        self, alice: Visitor, bob: Visitor, shoot: Callable[[str], None]
    ) -> None:
        bob.choose("B5")
        alice.choose("B5")
        alice.press("Hold 1 seat")
        alice.is_told("Held for you: B5.")
        bob.is_told("Seat B5 has just been taken.", within=1000)
        bob.sees("B5", "held for somebody else", within=100)
        alice.press("Confirm booking")
        alice.is_told("Booked: B5.")
        bob.sees("B5", "booked", within=1000)
        alice.press("Cancel: B5")
        alice.press("Yes, cancel it")
        alice.is_told("Cancelled")
        bob.sees("B5", "available", within=1000)

    def test_whoever_comes_too_late_is_told_which_seat_is_gone(
        self, alice: Visitor, served: Served, show: int, watch: Watch
    ) -> None:
        watch.pardon("ERR_FAILED")
        alice.page.route("**/graphql/", lambda route: route.abort() if is_stream(route) else route.fallback())
        alice.page.reload()  # nothing is live any more
        alice.sees("B5", "available")
        alice.choose("B5", "B6")
        served.book(show, 15)
        alice.press("Hold 2 seats")
        alice.is_told("Seat B5 has just been taken.")
        alice.sees("B5", "booked")
        alice.sees("B6", "chosen by you")
        alice.press("Hold 1 seat")
        alice.is_told("Held for you: B6.")

    def test_other_rows_are_drawn_where_staff_made_them(self, alice: Visitor, served: Served, show: int) -> None:
        served.send("PATCH", f"/shows/{show}/", {"seats_per_row": 6}, served.token("staff"))
        alice.sees("E6", "available")
        expect(alice.page.get_by_role("row")).to_have_count(5)


def is_stream(route: Route) -> bool:
    return "event-stream" in route.request.headers["accept"]


class TestLostAnswers:
    def test_a_deed_whose_answer_is_lost_is_done_once(
        self, alice: Visitor, served: Served, show: int, watch: Watch
    ) -> None:
        watch.pardon("ERR_FAILED")
        keys = lose_first_answers(alice.page, "bookSeats", lambda route: (route.fetch(), route.abort()))
        alice.choose("A1", "A2")
        alice.press("Book now")
        alice.is_told("Booked: A1 and A2.")
        assert len(keys) == 2
        assert len(set(keys)) == 1
        assert served.available(show) == 28

    @pytest.mark.parametrize("status", [429, 503])
    def test_a_busy_service_is_asked_again_in_the_time_it_names(
        self, alice: Visitor, watch: Watch, status: int
    ) -> None:
        watch.pardon(str(status))
        error = {"message": "Too many want this at once.", "extensions": {"code": "busy"}}
        body = json.dumps({"data": None, "errors": [error]})
        headers = {"Content-Type": "application/json", "Retry-After": "1"}
        keys = lose_first_answers(
            alice.page, "holdSeats", lambda route: route.fulfill(status=status, body=body, headers=headers)
        )
        alice.choose("A1")
        alice.press("Hold 1 seat")
        alice.is_told("Too many want this at once. Trying again in 1 s.")
        alice.is_told("Held for you: A1.")
        assert len(keys) == 2
        assert len(set(keys)) == 1


def lose_first_answers(page: Page, verb: str, lose: Callable[[Route], Any]) -> list[str]:
    """Lose the answer to the first request for a mutation; gives the list that the idempotency keys of all get into."""
    keys: list[str] = []

    def answer(route: Route) -> None:
        asked = route.request.post_data_json
        if f" {verb}(" not in asked["query"]:
            return route.fallback()
        keys.append(asked["variables"]["input"]["idempotencyKey"])
        return lose(route) if len(keys) == 1 else route.fallback()

    page.route("**/graphql/", answer)
    return keys


@pytest.fixture(scope="module")
def hurried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Served]]:
    """A service whose holds run out in three seconds, and which may be stopped."""
    home = tmp_path_factory.mktemp("hurried")
    service = Service(
        database_url=f"sqlite:///{home / 'cinema.sqlite3'}",
        log=home / "log",
        workers=1,
        settings={"HOLD_SECONDS": "3"},
    )
    passwords = service.prepare()
    with serving(service):
        yield service, Served(service.origin, passwords)


@pytest.fixture
def stranger(browser: Browser, hurried: tuple[Service, Served]) -> Iterator[Visitor]:
    """Somebody at the hurried service; nobody watches the page, since an outage is full of faults."""
    context = browser.new_context(base_url=hurried[1].origin)
    yield Visitor(context.new_page())
    context.close()


class TestHoldsThatRunOut:
    def test_the_countdown_ends_and_the_seats_are_free_again(
        self, browser: Browser, hurried: tuple[Service, Served], stranger: Visitor
    ) -> None:
        _, served = hurried
        show = served.make_show(title="The Third Man", seats=20)
        context = browser.new_context(base_url=served.origin)
        watch, alice = Watch(context, served.origin), Visitor(context.new_page())
        alice.open(show)
        stranger.open(show)
        alice.sign_in(make_account(served, new_name("alice")))
        alice.choose("A1", "A2")
        alice.press("Hold 2 seats")
        expect(alice.holds.get_by_role("timer")).to_have_text("0:02")
        stranger.sees("A1", "held for somebody else", within=1000)
        alice.is_told("Your time for A1 and A2 is over")
        alice.sees("A1", "available")
        expect(alice.holds).to_have_count(0)
        stranger.sees("A1", "available", within=3000)
        alice.choose("A2")
        alice.sees("A2", "chosen by you")
        assert watch.faults == []
        context.close()


class TestLostConnections:
    def test_the_map_catches_up_when_the_service_is_back(
        self, hurried: tuple[Service, Served], stranger: Visitor, tmp_path: Path
    ) -> None:
        service, served = hurried
        show = served.make_show(title="The Third Man", seats=20)
        stranger.open(show)
        service.stop()
        expect(stranger.page.locator("#live")).to_have_text("Connection lost. Trying again…")
        service.start()
        served.book(show, 7)
        stranger.sees("A7", "booked")
        expect(stranger.page.locator("#live")).to_have_text("Live")

    def test_the_map_catches_up_when_the_visitor_is_online_again(
        self, hurried: tuple[Service, Served], stranger: Visitor
    ) -> None:
        _, served = hurried
        show = served.make_show(title="The Third Man", seats=20)
        stranger.open(show)
        stranger.page.context.set_offline(True)
        expect(stranger.page.locator("#live")).to_have_text("Connection lost. Trying again…")
        served.book(show, 7)
        stranger.sees("A7", "available")
        stranger.page.context.set_offline(False)
        stranger.sees("A7", "booked", within=1000)
        expect(stranger.page.locator("#live")).to_have_text("Live")


class TestEverybody:
    def test_can_do_it_with_the_keyboard_alone(self, page: Page, served: Served, show: int) -> None:
        name = make_account(served, new_name("erin"))
        erin, keys = Visitor(page), page.keyboard
        erin.open(show)
        tab_to(page, '[data-seat="1"]')
        for key in ("ArrowDown", "ArrowRight", "ArrowRight", "Enter", "ArrowRight", "Space"):
            keys.press(key)
        erin.sees("B3", "chosen by you")
        erin.sees("B4", "chosen by you")
        for key, label in (("End", "B10"), ("Home", "B1"), ("Control+End", "C10"), ("Control+Home", "A1")):
            keys.press(key)
            expect(erin.seat(label)).to_be_focused()
        tab_to(page, "#hold")
        keys.press("Enter")
        expect(page.get_by_label("Name")).to_be_focused()
        for text, key in ((name, "Tab"), (PASSWORD, "Enter")):
            keys.type(text)
            keys.press(key)
        confirm = page.get_by_role("button", name="Confirm booking: B3 and B4")
        expect(confirm).to_be_focused()
        keys.press("Enter")
        erin.is_told("Booked: B3 and B4.")
        expect(page.get_by_role("heading", name="My bookings of this show")).to_be_focused()

    def test_is_told_what_each_seat_is(self, alice: Visitor, served: Served, show: int) -> None:
        staff = served.token("staff")
        blocked = {"seat_numbers": [1], "reason": "A broken chair"}
        served.send("POST", f"/shows/{show}/blocked-seats/", blocked, staff)
        served.send("POST", f"/shows/{show}/holds/", {"seat_numbers": [2]}, staff)
        served.book(show, 3)
        alice.choose("A4")
        alice.press("Hold 1 seat")
        alice.sees("A4", "held for you")
        alice.choose("A5")
        alice.press("Book now")
        alice.sees("A5", "booked by you")
        alice.choose("A6")
        states = ["not for sale", "held for somebody else", "booked", "held for you", "booked by you", "chosen by you"]
        for column, state in enumerate(states, start=1):
            alice.sees(f"A{column}", state)
        seats = alice.page.get_by_role("checkbox", name=re.compile(f"^[ABC][0-9]+, ({'|'.join(states)}|available)$"))
        expect(seats).to_have_count(30)
        expect(alice.page.get_by_role("checkbox", checked=True)).to_have_count(1)
        expect(alice.page.get_by_role("list", name="What the marks mean").get_by_role("listitem")).to_have_text(
            ["available", *(states[index] for index in (5, 1, 2, 0, 3, 4))]
        )
        alice.choose_anyway("A1")
        alice.is_told("Seat A1 is not for sale.")

    @pytest.mark.parametrize("per_row", [10, 40])
    def test_has_room_on_a_phone(self, page: Page, served: Served, per_row: int, shoot: Callable[[str], None]) -> None:
        show = served.make_show(title="The Assassination of Jesse James by the Coward Robert Ford", seats=200)
        served.send("PATCH", f"/shows/{show}/", {"seats_per_row": per_row}, served.token("staff"))
        page.set_viewport_size({"width": 375, "height": 740})
        visitor = Visitor(page)
        visitor.open(show)
        visitor.choose("B5", "B6")
        shoot(f"picker-phone-{per_row}")
        expect(page.get_by_role("button", name="Hold 2 seats")).to_be_in_viewport()
        assert not scrolls_sideways(page)
        visitor.press("Larger map")
        assert not scrolls_sideways(page)
        box = visitor.seat("B5").bounding_box()
        assert box
        assert min(box["width"], box["height"]) >= 24  # what a finger can meet

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_can_read_it(
        self, alice: Visitor, served: Served, show: int, scheme: Any, shoot: Callable[[str], None]
    ) -> None:
        alice.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        alice.choose("B4", "B5")
        alice.press("Hold 2 seats")
        alice.sees("B5", "held for you")
        alice.choose("C1", "C2")
        served.book(show, 22)  # C2, so that a refusal is there
        alice.is_told("Seat C2 has just been taken.")
        shoot(f"picker-{scheme}")
        assert faint_texts(alice.page) == []


class TestPage:
    @pytest.mark.parametrize("slash", ["", "/"])
    def test_an_unknown_show_is_told_so(self, page: Page, watch: Watch, slash: str) -> None:
        watch.pardon("404")
        answer = page.goto(f"/shows/999999999/picker{slash}")
        assert answer
        assert answer.status == 404
        expect(page.get_by_role("heading", level=1)).to_have_text("There is no such show")
        page.get_by_role("link", name="See what is on.").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("What is on")

    def test_what_it_asks_is_in_the_published_graph(self, page: Page, show: int) -> None:
        page.goto(f"/shows/{show}/picker/")
        asked = page.evaluate("import('/static/graphql_api/operations.js').then((module) => ({ ...module }))")
        schema = build_schema((ROOT / "graphql_api/schema.graphql").read_text())
        assert len(asked) == 10
        assert [fault for text in asked.values() for fault in validate(schema, parse(text))] == []


def tab_to(page: Page, selector: str) -> None:
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.locator(selector).evaluate("(element) => element === document.activeElement"):
            return
    raise AssertionError(f"The tab key does not lead to {selector}.")
