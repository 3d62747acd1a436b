"""Seats over the graph: maps, the best of them, several at once, holds, moves, and what a client is told of each."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.models import Movie, Show
from core.models import User
from reservations.booking import book_seats
from reservations.models import Booking, Claim, Hold
from reservations.seat_map import SeatMap
from tests.conftest import begin, make_show
from tests.doors import Answer, global_id, token_of

pytestmark = pytest.mark.django_db

SEAT = "seatNumber label status mine"
MAP = f"version summary {{ total available held booked blocked largestBlock }} rows {{ row seats {{ {SEAT} }} }}"
BOOKING = "__typename id databaseId seatNumber label status show { databaseId availableSeats }"
HOLD = "__typename id databaseId createdAt expiresAt seats { seatNumber label } show { databaseId availableSeats }"
REFUSALS = {
    "SeatTaken": "seatNumber",
    "SeatHeld": "seatNumber",
    "SeatBlocked": "seatNumber",
    "SeatOutOfRange": "min max",
    "SeatsUnavailable": "seatNumbers",
    "NoAdjacentSeats": "largestBlock alternatives { databaseId screenName availableSeats }",
    "TooManyHeld": "limit held",
    "InvalidInput": "fields { field messages }",
}
ONE_SEAT = ("SeatTaken", "SeatHeld", "SeatBlocked", "SeatOutOfRange")
SEVERAL = ("SeatsUnavailable", "NoAdjacentSeats", "SeatOutOfRange", "InvalidInput")
VERBS: dict[str, tuple[str, tuple[str, ...]]] = {
    "bookSeat": (f"... on Booking {{ {BOOKING} }}", ONE_SEAT),
    "moveBooking": (f"... on Booking {{ {BOOKING} }}", ONE_SEAT),
    "bookSeats": (f"... on BookedSeats {{ bookings {{ {BOOKING} }} }}", SEVERAL),
    "holdSeats": (f"... on Hold {{ {HOLD} }}", (*SEVERAL, "TooManyHeld")),
    "confirmHold": (f"... on BookedSeats {{ bookings {{ {BOOKING} }} }}", ()),
    "extendHold": (f"... on Hold {{ {HOLD} }}", ()),
    "releaseHold": ("... on ReleasedHold { __typename id }", ()),
}
NEW_VERBS = [verb for verb in VERBS if verb != "bookSeat"]


def do(graph: Any, verb: str, who: Any, **input: Any) -> Answer:
    """Do a mutation, and ask for everything that it may answer."""
    success, refusals = VERBS[verb]
    parts = " ".join(f"... on {name} {{ {REFUSALS[name]} }}" for name in refusals)
    kind = verb[0].upper() + verb[1:]
    query = (
        f"mutation($input: {kind}Input!) {{ {verb}(input: $input) {{"
        f" {success} ... on Refusal {{ code message }} {parts} }} }}"
    )
    response = graph.send({"query": query, "variables": {"input": input}}, who)
    body = response.json()
    if "errors" in body:
        return Answer(body["errors"][0]["extensions"]["code"], {}, response.status_code, response.headers)
    facts = body["data"][verb]
    code = facts.pop("code", "ok")
    assert code == "ok" or facts.pop("message")
    return Answer(code, facts, response.status_code, response.headers)


def hold(graph: Any, who: Any, show: Show, *seats: int, **input: Any) -> Answer:
    return do(graph, "holdSeats", who, showId=global_id("Show", show.pk), seatNumbers=[*seats], **input)


def book(graph: Any, who: Any, show: Show, *seats: int, **input: Any) -> Answer:
    return do(graph, "bookSeats", who, showId=global_id("Show", show.pk), seatNumbers=[*seats], **input)


def block(show: Show, *seats: int) -> None:
    for seat in seats:
        Claim.objects.create(show=show, seat_number=seat, status="blocked", created_at=timezone.now(), reason="broken")


def run_out(hold_id: int) -> None:
    """Let a hold have run out a moment ago."""
    Claim.objects.filter(hold=hold_id).update(expires_at=timezone.now() - timedelta(seconds=1))


def seat_map(graph: Any, show: Show, who: Any = None, since: str | None = None) -> Any:
    query = f"query($id: ID!, $since: String) {{ show(id: $id) {{ seatMap(since: $since) {{ {MAP} }} }} }}"
    return graph.query(query, who, id=global_id("Show", show.pk), since=since)["show"]["seatMap"]


def told(seats: Any) -> dict[int, str]:
    """Give the seats of a map that are not simply to be had; those of the viewer's own with a star."""
    return {
        seat["seatNumber"]: seat["status"] + ("*" if seat["mine"] else "")
        for row in seats["rows"]
        for seat in row["seats"]
        if seat["status"] != "AVAILABLE"
    }


def numbers(seats: Any) -> list[int]:
    return [seat["seatNumber"] for row in seats["rows"] for seat in row["seats"]]


@pytest.fixture
def hall(movie: Movie) -> Show:
    """Three rows of four seats, the last of them shorter."""
    show = make_show(movie, seats=11)
    show.seats_per_row = 4
    show.save(update_fields=["seats_per_row"])
    return show


class TestSeatMap:
    def test_has_every_seat_in_its_row(self, graph: Any, hall: Show) -> None:
        seats = seat_map(graph, hall)
        assert [row["row"] for row in seats["rows"]] == ["A", "B", "C"]
        assert [seat["label"] for seat in seats["rows"][2]["seats"]] == ["C1", "C2", "C3"]
        assert numbers(seats) == [*range(1, 12)]
        assert {(seat["status"], seat["mine"]) for row in seats["rows"] for seat in row["seats"]} == {
            ("AVAILABLE", False)
        }
        assert seats["summary"] == {
            "total": 11,
            "available": 11,
            "held": 0,
            "booked": 0,
            "blocked": 0,
            "largestBlock": 4,
        }

    def test_tells_what_each_seat_is_and_whose_is_ones_own(
        self, graph: Any, hall: Show, alice: User, bob: User
    ) -> None:
        block(hall, 11)
        book(graph, alice, hall, 1)
        book(graph, bob, hall, 2)
        hold(graph, alice, hall, 5)
        hold(graph, bob, hall, 6)
        seats = seat_map(graph, hall, alice)
        assert told(seats) == {1: "BOOKED*", 2: "BOOKED", 5: "HELD*", 6: "HELD", 11: "BLOCKED"}
        summary = {"total": 11, "available": 6, "held": 2, "booked": 2, "blocked": 1, "largestBlock": 2}
        assert seats["summary"] == summary
        assert told(seat_map(graph, hall)) == {1: "BOOKED", 2: "BOOKED", 5: "HELD", 6: "HELD", 11: "BLOCKED"}
        found = graph.query("query($id: ID!) { show(id: $id) { availableSeats seatsPerRow } }", id=_id(hall))
        assert found["show"] == {"availableSeats": 6, "seatsPerRow": 4}

    def test_has_a_seat_back_when_its_hold_has_run_out(self, graph: Any, hall: Show, alice: User) -> None:
        held = hold(graph, alice, hall, 5).facts["databaseId"]
        before = seat_map(graph, hall, alice)
        run_out(held)
        now = seat_map(graph, hall, alice)
        assert (told(before), told(now)) == ({5: "HELD*"}, {})
        assert now["summary"]["available"] == 11

    @pytest.mark.django_db(transaction=True)
    def test_tells_what_has_changed_since_a_version(self, graph: Any, hall: Show, alice: User, bob: User) -> None:
        book(graph, bob, hall, 1)
        version = seat_map(graph, hall)["version"]
        again = seat_map(graph, hall, since=version)
        assert (again["rows"], again["version"]) == ([], version)
        book(graph, alice, hall, 6, 7)
        seats = seat_map(graph, hall, alice, since=version)
        assert [row["row"] for row in seats["rows"]] == ["B"]
        assert told(seats) == {6: "BOOKED*", 7: "BOOKED*"}
        assert seats["summary"]["available"] == 8  # of all seats
        assert seat_map(graph, hall, alice, since=seats["version"])["rows"] == []

    @pytest.mark.django_db(transaction=True)
    def test_tells_every_seat_when_the_layout_was_changed(self, graph: Any, hall: Show) -> None:
        version = seat_map(graph, hall)["version"]
        Show.objects.filter(pk=hall.pk).update(seats_per_row=5)
        assert numbers(seat_map(graph, hall, since=version)) == [*range(1, 12)]

    @pytest.mark.parametrize(
        "since", ["", "x", "-1", "1-", "5.0", "٣", "1 ", "\0", "é", "9" * 17, "9" * 19, "0-9999999999999999", "1" * 999]
    )
    def test_refuses_what_is_no_version_of_it(self, graph: Any, hall: Show, since: str) -> None:
        query = "query($id: ID!, $since: String) { show(id: $id) { id seatMap(since: $since) { version } } }"
        response = graph.send({"query": query, "variables": {"id": _id(hall), "since": since}})
        body = response.json()
        (error,) = body["errors"]
        assert (error["extensions"]["code"], [*error["extensions"]["errors"]]) == ("invalid", ["since"])
        assert error["path"] == ["show", "seatMap"]
        # What was answered stands.
        assert (response.status_code, body["data"]) == (200, {"show": {"id": _id(hall), "seatMap": None}})

    @pytest.mark.parametrize("since", [5, True, ["1"], {}])
    def test_takes_nothing_but_a_string_as_a_version(self, graph: Any, hall: Show, since: Any) -> None:
        query = "query($id: ID!, $since: String) { show(id: $id) { seatMap(since: $since) { version } } }"
        answer = graph.ask(query, id=_id(hall), since=since)
        assert (answer.code, answer.status) == ("invalid", 400)

    def test_is_told_beside_a_booking(self, graph: Any, hall: Show, alice: User) -> None:
        query = (
            "mutation($input: BookSeatInput!) { bookSeat(input: $input) { ... on Booking { id show {"
            " seatMap { summary { booked } rows { seats { seatNumber mine } } } wrong: seatMap(since: %s) { version }"
            " } } } }"
        )
        input = {"showId": _id(hall), "seatNumber": 3}
        body = graph.send({"query": query % '"x"', "variables": {"input": input}}, alice).json()
        # A wrong argument takes nothing away, least of all the booking that was made.
        assert body["errors"][0]["extensions"]["code"] == "invalid"
        show = body["data"]["bookSeat"]["show"]
        assert show["wrong"] is None
        assert show["seatMap"]["summary"] == {"booked": 1}
        assert [seat["seatNumber"] for row in show["seatMap"]["rows"] for seat in row["seats"] if seat["mine"]] == [3]

    def test_fails_for_many_shows_in_one_statement(
        self, graph: Any, movie: Movie, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for hours in range(1, 5):
            make_show(movie, hours=hours)
        tries: list[int] = []

        def failing(*_: Any, **__: Any) -> None:
            tries.append(1)
            raise OperationalError("connection lost")

        monkeypatch.setattr("graphql_api.types.catalog.seat_map.seat_maps", failing)
        query = "{ movies(first: 1) { nodes { shows { nodes { id seatMap { version } } } } } }"
        body = graph.send({"query": query}).json()
        assert [node["seatMap"] for node in body["data"]["movies"]["nodes"][0]["shows"]["nodes"]] == [None] * 4
        assert {error["extensions"]["code"] for error in body["errors"]} == {"database_unavailable"}
        assert len(tries) == 1


class TestBestSeats:
    QUERY = (
        "query($id: ID!, $quantity: Int!, $split: Boolean!) { show(id: $id) { bestSeats(quantity: $quantity,"
        " allowSplit: $split) { __typename ... on BestSeats { seatNumbers labels } ... on Refusal { code message }"
        " ... on NoAdjacentSeats { largestBlock alternatives { databaseId screenName seatMap { version } } }"
        " ... on InvalidInput { fields { field messages } } } } }"
    )

    def best(self, graph: Any, show: Show, quantity: Any, split: Any = False) -> Any:
        found = graph.query(self.QUERY, id=_id(show), quantity=quantity, split=split)
        return found["show"]["bestSeats"]

    def test_are_adjacent(self, graph: Any, hall: Show) -> None:
        best = self.best(graph, hall, 2)
        assert best == {"__typename": "BestSeats", "seatNumbers": [5, 6], "labels": ["B1", "B2"]}
        assert best == self.best(graph, hall, 2)

    def test_are_in_parts_for_those_who_allow_it(self, graph: Any, hall: Show, alice: User) -> None:
        block(hall, 2, 6, 10)
        assert self.best(graph, hall, 5)["code"] == "no_adjacent_seats"
        assert len(self.best(graph, hall, 5, split=True)["seatNumbers"]) == 5

    def test_name_later_shows_where_there_is_no_such_block(self, graph: Any, hall: Show, movie: Movie) -> None:
        late, later = make_show(movie, seats=10, hours=72, screen="B"), make_show(movie, seats=10, hours=48, screen="C")
        make_show(movie, seats=4, hours=49)
        make_show(movie, seats=10, hours=1)
        best = self.best(graph, hall, 5)
        assert best.pop("message")
        alternatives = best.pop("alternatives")
        assert best == {"__typename": "NoAdjacentSeats", "code": "no_adjacent_seats", "largestBlock": 4}
        assert [show["databaseId"] for show in alternatives] == [later.pk, late.pk]
        assert all(show["seatMap"]["version"] for show in alternatives)

    @pytest.mark.parametrize("quantity", [0, -1, 11, 10_000, 2**31 - 1, -(2**31)])
    def test_refuse_a_number_of_seats_that_cannot_be_wanted(self, graph: Any, hall: Show, quantity: int) -> None:
        best = self.best(graph, hall, quantity)
        assert (best["__typename"], best["code"]) == ("InvalidInput", "invalid")
        assert [field["field"] for field in best["fields"]] == ["quantity"]

    @pytest.mark.parametrize("quantity", ["3", 3.5, True, None, [3], 2**31])
    def test_take_nothing_but_an_integer(self, graph: Any, hall: Show, quantity: Any) -> None:
        answer = graph.ask(self.QUERY, id=_id(hall), quantity=quantity, split=False)
        assert (answer.code, answer.status) == ("invalid", 400)


class TestStatements:
    """Their number follows from the fields of a query, never from the length of its lists."""

    EMPTY = SeatMap(Show(total_seats=9, seats_per_row=10), bytes(9)).version
    SHOWS = "{ movies(first: 6) { nodes { shows(first: 5) { nodes { %s } } } } }"
    BEST = "bestSeats(quantity: %d) { ... on BestSeats { labels } ... on NoAdjacentSeats { alternatives { %s } } }"
    QUERIES = {
        "maps": SHOWS % "id seatMap { version summary { available } rows { row } }",
        "changes": SHOWS % f'id seatMap(since: "{EMPTY}") {{ version rows {{ row }} }}',
        "best": SHOWS % (BEST % (1, "id")),
        "none": SHOWS % (BEST % (9, "id availableSeats movie { title } seatMap { version }")),
        "maps and best": SHOWS % f"{BEST % (2, 'id')} b: bestSeats(quantity: 3) {{ __typename }} seatMap {{ version }}",
        "holds": f"{{ myHolds {{ nodes {{ {HOLD} show {{ movie {{ title }} seatMap {{ version }} }} }} }} }}",
        "bookings": f"{{ myBookings {{ nodes {{ {BOOKING} show {{ seatMap {{ summary {{ held }} }} }} }} }} }}",
    }

    def counted(self, graph: Any, query: str, token: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            graph.query(query, token)
        return len(captured)

    def fill(self, owner: User, *, movies: int, shows: int) -> None:
        for number in range(movies):
            movie = Movie.objects.create(title=f"Film {number}", duration_minutes=90)
            for hour in range(1, shows + 1):
                show, now = make_show(movie, hours=hour, seats=9), timezone.now()
                Booking.objects.create(user=owner, show=show, seat_number=1, created_at=now)
                held = Hold.objects.create(user=owner, show=show, size=2, created_at=now)
                for seat in (2, 3):
                    Claim.objects.create(
                        user=owner, show=show, seat_number=seat, hold=held, status="held", created_at=now,
                        expires_at=now + timedelta(minutes=5),
                    )  # fmt: skip

    @pytest.mark.parametrize("name", QUERIES)
    def test_are_as_many_for_twenty_rows_as_for_one(self, graph: Any, alice: User, movie: Movie, name: str) -> None:
        token = token_of(alice)
        make_show(movie, seats=2, hours=1)
        make_show(movie, seats=9, hours=2)  # so that there is an alternative
        self.fill(alice, movies=1, shows=1)
        one = self.counted(graph, self.QUERIES[name], token)
        self.fill(alice, movies=4, shows=4)
        assert self.counted(graph, self.QUERIES[name], token) == one
        assert one <= 12

    def test_of_a_map_are_shared_with_the_best_seats(self, graph: Any, hall: Show) -> None:
        both = "query($id: ID!) { show(id: $id) { seatMap { version } bestSeats(quantity: 2) { __typename } } }"
        alone = "query($id: ID!) { show(id: $id) { seatMap { version } } }"
        counts = []
        for query in (alone, both):
            with CaptureQueriesContext(connection) as captured:
                graph.query(query, id=_id(hall))
            counts.append(len(captured))
        assert counts[0] == counts[1]


class TestLimits:
    PICKER = (
        "query($id: ID!) { show(id: $id) { id screenName dateTime movie { title }"
        f" seatMap {{ __typename {MAP.replace('mine', 'mine __typename')} }} }}"
        " myHolds(first: 100) { nodes { __typename id expiresAt seats { seatNumber label } show { id } } }"
        " myBookings(first: 100) { nodes { __typename id seatNumber label show { id } } } }"
    )

    def test_let_the_whole_map_of_a_show_through(self, graph: Any, hall: Show, alice: User) -> None:
        graph.query(self.PICKER, alice, id=_id(hall))

    def test_let_the_largest_hall_through(self, graph: Any, movie: Movie) -> None:
        show = make_show(movie, seats=10_000)
        assert len(numbers(seat_map(graph, show))) == 10_000

    @pytest.mark.parametrize(
        "query",
        [
            f"{{ movies(first: 1) {{ nodes {{ shows(first: 2) {{ nodes {{ seatMap {{ {MAP} }} }} }} }} }} }}",
            f"{{ myBookings(first: 2) {{ nodes {{ show {{ seatMap {{ {MAP} }} }} }} }} }}",
            f"{{ myHolds(first: 2) {{ nodes {{ show {{ ...A }} }} }} }} fragment A on Show {{ seatMap {{ {MAP} }} }}",
            "{ a: node(id: 1) { ...A } b: node(id: 2) { ...B } }"
            f" fragment A on Show {{ seatMap {{ {MAP} }} }} fragment B on Show {{ seatMap {{ {MAP} }} }}",
            # A few values each, but much work.
            "{ movies { nodes { shows(first: 10) { nodes { seatMap { version } } } } } }",
            "{ movies { nodes { shows(first: 3) { nodes { bestSeats(quantity: 1) { __typename } } } } } }",
        ],
    )
    def test_refuse_the_whole_maps_of_many(self, graph: Any, hall: Show, alice: User, query: str) -> None:
        answer = graph.ask(query, alice)
        assert (answer.code, answer.status) == ("limit_exceeded", 400)

    def test_let_the_summaries_of_a_films_shows_through(self, graph: Any, hall: Show) -> None:
        query = "query($id: ID!) { movie(id: $id) { shows { nodes { id seatMap { summary { available } } } } } }"
        found = graph.query(query, id=global_id("Movie", hall.movie_id))
        assert found["movie"]["shows"]["nodes"][0]["seatMap"] == {"summary": {"available": 11}}


class TestBookSeats:
    def test_books_the_seats_that_are_named(self, graph: Any, hall: Show, alice: User) -> None:
        answer = book(graph, alice, hall, 7, 5, 6)
        assert (answer.code, answer.status) == ("ok", 200)
        bookings = answer.facts["bookings"]
        assert [(each["seatNumber"], each["label"], each["status"]) for each in bookings] == [
            (5, "B1", "BOOKED"),
            (6, "B2", "BOOKED"),
            (7, "B3", "BOOKED"),
        ]
        assert {each["show"]["availableSeats"] for each in bookings} == {8}
        assert Booking.objects.with_status("booked").filter(user=alice).count() == 3

    def test_books_the_best(self, graph: Any, hall: Show, alice: User) -> None:
        best = TestBestSeats().best(graph, hall, 3)["seatNumbers"]
        answer = do(graph, "bookSeats", alice, showId=_id(hall), best=3)
        assert [each["seatNumber"] for each in answer.facts["bookings"]] == best

    def test_books_parts_for_those_who_allow_it(self, graph: Any, hall: Show, alice: User) -> None:
        assert do(graph, "bookSeats", alice, showId=_id(hall), best=5).code == "no_adjacent_seats"
        answer = do(graph, "bookSeats", alice, showId=_id(hall), best=5, allowSplit=True)
        assert len(answer.facts["bookings"]) == 5

    def test_books_all_or_none(self, graph: Any, hall: Show, alice: User, bob: User) -> None:
        book(graph, bob, hall, 2)
        hold(graph, bob, hall, 3)
        block(hall, 4)
        answer = book(graph, alice, hall, 5, 4, 3, 2, 1)
        assert (answer.code, answer.facts) == ("seats_unavailable", {"seatNumbers": [2, 3, 4]})
        assert not Booking.objects.filter(user=alice).exists()


class TestHoldSeats:
    def test_keeps_seats(self, graph: Any, hall: Show, alice: User, settings: Any) -> None:
        before = timezone.now()
        answer = hold(graph, alice, hall, 6, 5)
        held = answer.facts
        assert held["seats"] == [{"seatNumber": 5, "label": "B1"}, {"seatNumber": 6, "label": "B2"}]
        assert held["show"] == {"databaseId": hall.pk, "availableSeats": 9}
        assert held["id"] == global_id("Hold", held["databaseId"])
        lasts = datetime.fromisoformat(held["expiresAt"]) - before
        assert timedelta(seconds=settings.HOLD_SECONDS - 1) < lasts < timedelta(seconds=settings.HOLD_SECONDS + 30)
        assert datetime.fromisoformat(held["createdAt"]).tzinfo == UTC

    def test_keeps_the_best(self, graph: Any, hall: Show, alice: User) -> None:
        best = TestBestSeats().best(graph, hall, 3)["seatNumbers"]
        held = do(graph, "holdSeats", alice, showId=_id(hall), best=3).facts
        assert [seat["seatNumber"] for seat in held["seats"]] == best

    def test_keeps_all_or_none(self, graph: Any, hall: Show, alice: User, bob: User) -> None:
        hold(graph, bob, hall, 3)
        answer = hold(graph, alice, hall, 2, 3)
        assert (answer.code, answer.facts) == ("seats_unavailable", {"seatNumbers": [3]})
        assert told(seat_map(graph, hall, alice)) == {3: "HELD"}

    def test_keeps_no_more_than_ten_of_a_show(self, graph: Any, hall: Show, alice: User, bob: User) -> None:
        hold(graph, alice, hall, *range(1, 9))
        answer = hold(graph, alice, hall, 9, 10, 11)
        assert (answer.code, answer.facts) == ("too_many_held", {"limit": 10, "held": 8})
        assert hold(graph, bob, hall, 9, 10, 11).ok


class TestBothOfThem:
    @pytest.fixture(params=["bookSeats", "holdSeats"])
    def verb(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.mark.parametrize(
        ("wish", "field"),
        [
            ({}, "non_field_errors"),
            ({"seatNumbers": None, "best": None}, "non_field_errors"),
            ({"seatNumbers": [1], "best": 1}, "non_field_errors"),
            ({"seatNumbers": []}, "seatNumbers"),
            ({"seatNumbers": [1, 1]}, "seatNumbers"),
            ({"seatNumbers": [*range(1, 12)]}, "seatNumbers"),
            ({"seatNumbers": [*range(1, 10_001)]}, "seatNumbers"),
            ({"best": 0}, "best"),
            ({"best": -1}, "best"),
            ({"best": 11}, "best"),
            ({"best": 2**31 - 1}, "best"),
            ({"best": -(2**31), "allowSplit": True}, "best"),
        ],
        ids=lambda value: str(value)[:40],
    )
    def test_refuse_a_wish_that_is_not_one_thing(
        self, graph: Any, hall: Show, alice: User, verb: str, wish: Any, field: str
    ) -> None:
        answer = do(graph, verb, alice, showId=_id(hall), **wish)
        assert (answer.code, answer.status) == ("invalid", 200)
        assert [error["field"] for error in answer.facts["fields"]] == [field]
        assert not Claim.objects.exists()

    @pytest.mark.parametrize(
        "wish",
        [
            *({"seatNumbers": [seat]} for seat in ("5", 5.5, True, None, [], [5], {}, 2**31, -(2**31) - 1, 10**30)),
            *({"seatNumbers": seats} for seats in ("5", True, {}, "1,2")),
            *({"best": best} for best in ("3", 3.5, True, [3], {}, 2**31, 10**30)),
            *({"best": 1, "allowSplit": split} for split in ("true", 1, None, [])),
            {"best": 1, "nothing": 1},
            {"best": 1, "idempotencyKey": 5},
        ],
        ids=str,
    )
    def test_take_nothing_but_integers(self, graph: Any, hall: Show, alice: User, verb: str, wish: Any) -> None:
        answer = do(graph, verb, alice, showId=_id(hall), **wish)
        assert (answer.code, answer.status) == ("invalid", 400)
        assert not Claim.objects.exists()

    @pytest.mark.parametrize("seat", [0, -1, 12, 10_000, 10_001, 32_768, 2**31 - 1, -(2**31)])
    def test_refuse_a_seat_that_the_show_has_not(
        self, graph: Any, hall: Show, alice: User, verb: str, seat: int
    ) -> None:
        answer = do(graph, verb, alice, showId=_id(hall), seatNumbers=[1, seat])
        assert (answer.code, answer.facts) == ("seat_out_of_range", {"min": 1, "max": 11})

    @pytest.mark.parametrize("wish", [{"seatNumbers": [1]}, {"best": 1}])
    def test_know_no_show_of_another_id(self, graph: Any, hall: Show, alice: User, verb: str, wish: Any) -> None:
        for identity in (
            *("", "x", "\0", "é", str(hall.pk)),
            *(global_id("Show", hall.pk + 1), global_id("Show", 2**63), global_id("Movie", hall.pk)),
        ):
            answer = do(graph, verb, alice, showId=identity, **wish)
            assert (answer.code, answer.facts) == ("not_found", {})

    @pytest.mark.parametrize("wish", [{"seatNumbers": [1]}, {"best": 1}])
    def test_refuse_when_the_show_has_begun(self, graph: Any, hall: Show, alice: User, verb: str, wish: Any) -> None:
        begin(hall)
        assert do(graph, verb, alice, showId=_id(hall), **wish).code == "show_started"

    def test_refuse_a_show_that_is_full(self, graph: Any, movie: Movie, alice: User, bob: User, verb: str) -> None:
        show = make_show(movie, seats=2)
        book(graph, bob, show, 1)
        block(show, 2)
        later = make_show(movie, seats=3, hours=48)
        answer = do(graph, verb, alice, showId=_id(show), seatNumbers=[1, 2])
        assert (answer.code, answer.facts) == ("show_full", {})
        answer = do(graph, verb, alice, showId=_id(show), best=1)
        alternative = {"databaseId": later.pk, "screenName": "Aurora", "availableSeats": 3}
        assert (answer.code, answer.facts) == (
            "no_adjacent_seats",
            {"largestBlock": 0, "alternatives": [alternative]},
        )

    def test_tell_of_alternatives_again_under_a_key(self, graph: Any, movie: Movie, alice: User, verb: str) -> None:
        show, later, gone = (make_show(movie, seats=seats, hours=24 * seats) for seats in (1, 2, 3))
        wish = {"showId": _id(show), "best": 2, "idempotencyKey": uuid.uuid4().hex}
        first = do(graph, verb, alice, **wish)
        gone_id = gone.pk
        gone.delete()
        again = do(graph, verb, alice, **wish)
        assert [each["databaseId"] for each in first.facts["alternatives"]] == [later.pk, gone_id]
        # A show that is there no more can't be shown.
        assert [each["databaseId"] for each in again.facts["alternatives"]] == [later.pk]
        assert (again.code, again.headers["Idempotent-Replayed"]) == ("no_adjacent_seats", "true")


class TestOneSeat:
    """Booking a seat, and moving to it, are refused alike."""

    @pytest.fixture(params=["bookSeat", "moveBooking"])
    def take(self, request: pytest.FixtureRequest, graph: Any, hall: Show, alice: User) -> Callable[[int], Answer]:
        if request.param == "bookSeat":
            return lambda seat: do(graph, "bookSeat", alice, showId=_id(hall), seatNumber=seat)
        own = book(graph, alice, hall, 1).facts["bookings"][0]["id"]
        return lambda seat: do(graph, "moveBooking", alice, bookingId=own, seatNumber=seat)

    def test_refuses_what_is_not_to_be_had(self, take: Any, graph: Any, hall: Show, bob: User) -> None:
        book(graph, bob, hall, 5)
        hold(graph, bob, hall, 6)
        block(hall, 7)
        for seat, code in ((5, "seat_taken"), (6, "seat_held"), (7, "seat_blocked")):
            answer = take(seat)
            assert (answer.code, answer.facts, answer.status) == (code, {"seatNumber": seat}, 200)

    def test_takes_ones_own_held_seat(self, take: Any, graph: Any, hall: Show, alice: User) -> None:
        hold(graph, alice, hall, 6)
        answer = take(6)
        assert (answer.facts["seatNumber"], answer.facts["label"]) == (6, "B2")
        assert told(seat_map(graph, hall, alice))[6] == "BOOKED*"

    @pytest.mark.parametrize("seat", [0, 12, 2**31 - 1, -(2**31)])
    def test_refuses_a_seat_that_the_show_has_not(self, take: Any, seat: int) -> None:
        answer = take(seat)
        assert (answer.code, answer.facts) == ("seat_out_of_range", {"min": 1, "max": 11})

    @pytest.mark.parametrize("seat", ["5", 5.5, True, None, [], [5], {}, 2**31, 10**30])
    def test_takes_nothing_but_an_integer(self, take: Any, seat: Any) -> None:
        answer = take(seat)
        assert (answer.code, answer.status) == ("invalid", 400)

    def test_refuses_when_the_show_has_begun(self, take: Any, hall: Show) -> None:
        begin(hall)
        assert take(5).code == "show_started"


class TestMoveBooking:
    def test_keeps_the_booking_and_changes_the_seat(self, graph: Any, hall: Show, alice: User) -> None:
        own = book(graph, alice, hall, 1).facts["bookings"][0]
        answer = do(graph, "moveBooking", alice, bookingId=own["id"], seatNumber=11)
        assert answer.facts == {**own, "seatNumber": 11, "label": "C3"}
        assert told(seat_map(graph, hall, alice)) == {11: "BOOKED*"}

    def test_refuses_a_booking_that_was_cancelled(self, graph: Any, hall: Show, alice: User) -> None:
        own = book(graph, alice, hall, 1).facts["bookings"][0]
        graph.cancel(alice, own["databaseId"])
        assert do(graph, "moveBooking", alice, bookingId=own["id"], seatNumber=2).code == "already_cancelled"

    def test_knows_no_booking_of_somebody_else(self, graph: Any, hall: Show, alice: User, bob: User) -> None:
        own = book(graph, alice, hall, 1).facts["bookings"][0]
        held = hold(graph, bob, hall, 3).facts
        claim = Claim.objects.get(hold=held["databaseId"]).pk
        for identity in (own["id"], global_id("Booking", claim), global_id("Booking", 2**63), held["id"], "x", ""):
            answer = do(graph, "moveBooking", bob, bookingId=identity, seatNumber=2)
            assert (answer.code, answer.facts) == ("not_found", {})


class TestHolds:
    @pytest.fixture
    def held(self, graph: Any, hall: Show, alice: User) -> Any:
        return hold(graph, alice, hall, 5, 6).facts

    @pytest.fixture(params=["confirmHold", "extendHold", "releaseHold"])
    def verb(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    def test_are_confirmed_and_confirmed_again(self, graph: Any, hall: Show, alice: User, held: Any) -> None:
        first, again = (do(graph, "confirmHold", alice, holdId=held["id"]) for _ in range(2))
        assert [(each["seatNumber"], each["label"]) for each in first.facts["bookings"]] == [(5, "B1"), (6, "B2")]
        assert again.facts == first.facts
        assert told(seat_map(graph, hall, alice)) == {5: "BOOKED*", 6: "BOOKED*"}

    def test_are_extended(self, graph: Any, alice: User, held: Any) -> None:
        Claim.objects.filter(hold=held["databaseId"]).update(expires_at=timezone.now() + timedelta(seconds=30))
        longer = do(graph, "extendHold", alice, holdId=held["id"]).facts
        assert longer["expiresAt"] >= held["expiresAt"]
        assert {**longer, "expiresAt": held["expiresAt"], "createdAt": held["createdAt"]} == held

    def test_are_released(self, graph: Any, hall: Show, alice: User, held: Any) -> None:
        answer = do(graph, "releaseHold", alice, holdId=held["id"])
        assert (answer.code, answer.facts) == ("ok", {"__typename": "ReleasedHold", "id": held["id"]})
        assert told(seat_map(graph, hall, alice)) == {}
        for verb in ("confirmHold", "extendHold", "releaseHold"):
            assert do(graph, verb, alice, holdId=held["id"]).code == "not_found"

    def test_that_are_confirmed_stay(self, graph: Any, alice: User, held: Any) -> None:
        do(graph, "confirmHold", alice, holdId=held["id"])
        for verb in ("extendHold", "releaseHold"):
            answer = do(graph, verb, alice, holdId=held["id"])
            assert (answer.code, answer.facts) == ("hold_confirmed", {})

    def test_that_have_run_out_are_over(self, graph: Any, alice: User, held: Any, verb: str) -> None:
        run_out(held["databaseId"])
        answer = do(graph, verb, alice, holdId=held["id"])
        assert (answer.code, answer.facts, answer.status) == ("hold_expired", {}, 200)

    def test_are_over_when_the_show_has_begun(self, graph: Any, hall: Show, alice: User, held: Any, verb: str) -> None:
        begin(hall)
        assert do(graph, verb, alice, holdId=held["id"]).code == "show_started"

    def test_of_somebody_else_are_nobodys(self, graph: Any, bob: User, held: Any, verb: str) -> None:
        for identity in (held["id"], global_id("Hold", 2**63), global_id("Show", held["databaseId"]), "x", "", "\0"):
            answer = do(graph, verb, bob, holdId=identity)
            assert (answer.code, answer.facts) == ("not_found", {})
        assert Claim.objects.filter(status="held").count() == 2


class TestMyHolds:
    QUERY = (
        f"query($first: Int, $after: String) {{ myHolds(first: $first, after: $after) {{ totalCount nodes {{ {HOLD} }}"
    )
    QUERY += " pageInfo { hasNextPage endCursor } } }"

    def test_are_ones_own_live_ones_in_the_order_they_were_made(
        self, graph: Any, hall: Show, movie: Movie, alice: User, bob: User
    ) -> None:
        first, second, expired = (hold(graph, alice, hall, *seats).facts for seats in ((6, 5), (1,), (9,)))
        other = hold(graph, alice, make_show(movie), 2).facts
        hold(graph, bob, hall, 2)
        run_out(expired["databaseId"])
        do(graph, "releaseHold", alice, holdId=hold(graph, alice, hall, 3).facts["id"])
        do(graph, "confirmHold", alice, holdId=hold(graph, alice, hall, 4).facts["id"])
        found = graph.query(self.QUERY, alice)["myHolds"]
        assert [node["id"] for node in found["nodes"]] == [first["id"], second["id"], other["id"]]
        assert found["totalCount"] == 3
        assert [seat["label"] for seat in found["nodes"][0]["seats"]] == ["B1", "B2"]
        assert found["nodes"][0]["expiresAt"] == first["expiresAt"]
        page = graph.query(self.QUERY, alice, first=2)["myHolds"]
        rest = graph.query(self.QUERY, alice, first=2, after=page["pageInfo"]["endCursor"])["myHolds"]
        assert page["nodes"] + rest["nodes"] == found["nodes"]
        assert (page["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasNextPage"]) == (True, False)

    def test_are_not_there_once_the_show_has_begun(self, graph: Any, hall: Show, alice: User) -> None:
        hold(graph, alice, hall, 1)
        begin(hall)
        assert graph.query(self.QUERY, alice)["myHolds"]["nodes"] == []

    def test_that_end_while_they_are_read_have_ended(
        self, graph: Any, hall: Show, alice: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hold(graph, alice, hall, 1)

        def load_seats(holds: Any) -> None:
            for each in holds:
                each.seat_numbers, each.expires_at = [], None

        monkeypatch.setattr("graphql_api.types.bookings.load_seats", load_seats)
        (node,) = graph.query(self.QUERY, alice)["myHolds"]["nodes"]
        assert node["seats"] == []
        assert datetime.fromisoformat(node["expiresAt"]) <= timezone.now()

    def test_need_a_token(self, graph: Any, db: None) -> None:
        answer = graph.ask(self.QUERY)
        assert (answer.code, answer.status) == ("not_authenticated", 401)

    def test_are_found_by_their_id_while_they_live(self, graph: Any, hall: Show, alice: User, bob: User) -> None:
        held = hold(graph, alice, hall, 5).facts
        query = "query($id: ID!) { node(id: $id) { __typename id ... on Hold { seats { label } expiresAt } } }"
        node = graph.query(query, alice, id=held["id"])["node"]
        assert (node.pop("__typename"), node.pop("id")) == ("Hold", held["id"])
        assert node == {"seats": [{"label": "B1"}], "expiresAt": held["expiresAt"]}
        assert graph.query(query, bob, id=held["id"])["node"] is None
        assert graph.query(query, id=held["id"])["node"] is None
        # A held seat is no booking.
        claim = Claim.objects.get(hold=held["databaseId"])
        assert graph.query(query, alice, id=global_id("Booking", claim.pk))["node"] is None
        run_out(held["databaseId"])
        assert graph.query(query, alice, id=held["id"])["node"] is None


class TestKeys:
    """An idempotency key means the same at both doors."""

    def test_tell_the_first_outcome_again(self, graph: Any, hall: Show, alice: User) -> None:
        held = hold(graph, alice, hall, 1, 2, idempotencyKey="hold")
        own = book(graph, alice, hall, 3, 4, idempotencyKey="book")
        best = {"showId": _id(hall), "best": 2, "idempotencyKey": "best"}
        steps: list[tuple[str, dict[str, Any], Answer | None]] = [
            ("holdSeats", {"showId": _id(hall), "seatNumbers": [1, 2], "idempotencyKey": "hold"}, held),
            ("bookSeats", {"showId": _id(hall), "seatNumbers": [3, 4], "idempotencyKey": "book"}, own),
            ("bookSeats", best, None),
            ("extendHold", {"holdId": held.facts["id"], "idempotencyKey": "extend"}, None),
            ("confirmHold", {"holdId": held.facts["id"], "idempotencyKey": "confirm"}, None),
            ("releaseHold", {"holdId": hold(graph, alice, hall, 11).facts["id"], "idempotencyKey": "release"}, None),
            (
                "moveBooking",
                {"bookingId": own.facts["bookings"][0]["id"], "seatNumber": 11, "idempotencyKey": "move"},
                None,
            ),
        ]
        for verb, input, told in steps:
            first = told or do(graph, verb, alice, **input)
            again = do(graph, verb, alice, **input)
            assert (first.code, again.facts) == ("ok", first.facts)
            assert "Idempotent-Replayed" not in first.headers
            assert again.headers["Idempotent-Replayed"] == "true"

    def test_tell_a_refusal_again(self, graph: Any, hall: Show, alice: User, bob: User) -> None:
        book(graph, bob, hall, 1)
        first, again = (book(graph, alice, hall, 1, 2, idempotencyKey="k") for _ in range(2))
        assert (first.code, first.facts) == (again.code, again.facts) == ("seats_unavailable", {"seatNumbers": [1]})
        assert again.headers["Idempotent-Replayed"] == "true"

    def test_are_not_for_something_else(self, graph: Any, hall: Show, alice: User) -> None:
        assert hold(graph, alice, hall, 1, idempotencyKey="k").ok
        for answer in (
            hold(graph, alice, hall, 2, idempotencyKey="k"),
            book(graph, alice, hall, 1, idempotencyKey="k"),
            do(graph, "holdSeats", alice, showId=_id(hall), best=1, idempotencyKey="k"),
            do(graph, "bookSeat", alice, showId=_id(hall), seatNumber=1, idempotencyKey="k"),
        ):
            assert answer.code == "idempotency_key_reused"
        assert hold(graph, alice, hall, 2, idempotencyKey="").code == "idempotency_key_invalid"

    def test_are_shared_with_the_other_door(self, graph: Any, rest: Any, hall: Show, alice: User) -> None:
        first = rest.send("POST", f"/shows/{hall.pk}/book/", {"seat_number": 3}, alice, **{"Idempotency-Key": "one"})
        again = do(graph, "bookSeat", alice, showId=_id(hall), seatNumber=3, idempotencyKey="one")
        assert again.facts["databaseId"] == first.json()["id"]
        assert again.headers["Idempotent-Replayed"] == "true"
        # What every door calls for several seats.
        made = book_seats(user=alice, show_id=hall.pk, seat_numbers=[6, 5], idempotency_key="several")
        again = book(graph, alice, hall, 6, 5, idempotencyKey="several")
        assert [each["databaseId"] for each in again.facts["bookings"]] == [each.pk for each in made]
        assert again.headers["Idempotent-Replayed"] == "true"


class TestTokens:
    INPUTS = {
        "bookSeats": {"showId": global_id("Show", 1), "seatNumbers": [1]},
        "holdSeats": {"showId": global_id("Show", 1), "seatNumbers": [1]},
        "confirmHold": {"holdId": global_id("Hold", 1)},
        "extendHold": {"holdId": global_id("Hold", 1)},
        "releaseHold": {"holdId": global_id("Hold", 1)},
        "moveBooking": {"bookingId": global_id("Booking", 1), "seatNumber": 1},
    }

    @pytest.mark.parametrize("verb", NEW_VERBS)
    def test_are_needed(self, graph: Any, db: None, verb: str) -> None:
        for who, code in ((None, "not_authenticated"), ("nonsense", "token_not_valid")):
            answer = do(graph, verb, who, **self.INPUTS[verb])
            assert (answer.code, answer.status) == (code, 401)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")

    @pytest.mark.parametrize("verb", NEW_VERBS)
    def test_of_an_account_that_is_gone_do_not_hold(self, graph: Any, alice: User, verb: str) -> None:
        token = token_of(alice)
        alice.delete()
        for key in (None, "key"):
            answer = do(graph, verb, token, **self.INPUTS[verb], idempotencyKey=key)
            assert (answer.code, answer.status) == ("token_not_valid", 401)

    def test_of_an_account_that_is_gone_sell_nothing(self, graph: Any, hall: Show, alice: User) -> None:
        token = token_of(alice)
        alice.delete()
        for wish in ({"seatNumbers": [1]}, {"best": 1}):
            for verb in ("bookSeats", "holdSeats"):
                answer = do(graph, verb, token, showId=_id(hall), **wish)
                assert (answer.code, answer.status) == ("token_not_valid", 401)
        assert not Claim.objects.exists()

    def test_that_do_not_hold_see_no_map(self, graph: Any, hall: Show) -> None:
        query = "query($id: ID!) { show(id: $id) { seatMap { version } } }"
        answer = graph.ask(query, "nonsense", id=_id(hall))
        assert (answer.code, answer.status) == ("token_not_valid", 401)


def _id(show: Show) -> str:
    return global_id("Show", show.pk)
