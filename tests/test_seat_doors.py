"""Seats that are seen, chosen, held and moved: each story told through REST and through GraphQL."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.models import Movie, Show
from core.models import IdempotencyKey, User
from reservations.booking import book_seat, book_seats, cancel_booking, move_booking
from reservations.holds import hold_seats, release_hold
from reservations.models import Booking, Claim, Hold
from reservations.staff import block_seats, change_show, unblock_seat
from tests.conftest import begin, make_show, make_user
from tests.doors import Answer, global_id, token_of

pytestmark = pytest.mark.django_db

SHORT = 2  # seconds that a hold lasts where a test waits until it has run out

STATUS = {
    **dict.fromkeys(("invalid", "seat_out_of_range", "idempotency_key_invalid"), 400),
    "not_found": 404,
    **dict.fromkeys(("seat_taken", "seat_held", "seat_blocked", "seats_unavailable", "no_adjacent_seats"), 409),
    **dict.fromkeys(("show_full", "show_started", "already_cancelled", "too_many_held", "hold_confirmed"), 409),
    "hold_expired": 410,
    "idempotency_key_reused": 422,
}


def refused(answer: Answer, code: str, **facts: Any) -> None:
    """Assert a refusal with its facts, and the status that REST has for it."""
    assert (answer.code, answer.facts) == (code, facts)
    assert answer.status in (STATUS[code], 200)  # a refusal of the graph is data


def refused_as_invalid(answer: Answer, field: str | None = None) -> None:
    assert answer.code == "invalid", answer
    if field is not None and "errors" in answer.facts:
        assert list(answer.facts["errors"]) == [field]


def make_hall(movie: Movie, *, rows: int = 3, per_row: int = 4, **options: Any) -> Show:
    show = make_show(movie, seats=rows * per_row, **options)
    Show.objects.filter(pk=show.pk).update(seats_per_row=per_row)
    show.refresh_from_db()
    return show


@pytest.fixture
def hall(movie: Movie) -> Show:
    """Three rows of four seats."""
    return make_hall(movie)


def states(seat_map: Answer) -> dict[int, str]:
    """Tell what each seat is, with a star where it is the viewer's own."""
    assert seat_map.ok, seat_map
    return {
        seat["seat_number"]: seat["status"] + ("*" if seat["mine"] else "")
        for row in seat_map.facts["rows"]
        for seat in row["seats"]
    }


def run_out() -> None:
    """Let every hold have run out a moment ago."""
    Claim.objects.filter(status="held").update(expires_at=timezone.now() - timedelta(seconds=1))


def wait_until_run_out(hold: Hold) -> None:
    assert hold.expires_at
    time.sleep(max(0.0, (hold.expires_at - timezone.now()).total_seconds()) + 0.02)


def seats_of(show: Show) -> dict[int, str]:
    """Tell what stands on the seats of a show, by its table."""
    return dict(Claim.objects.filter(show=show, status__in=Claim.LIVE).values_list("seat_number", "status"))


def everything() -> list[Any]:
    """Give all that the verbs write."""
    return [*Claim.objects.order_by("pk").values(), *Hold.objects.order_by("pk").values()]


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


class TestSeatMap:
    def test_tells_what_each_seat_is_and_which_are_ones_own(
        self, door: Any, alice: User, bob: User, sam: User, hall: Show
    ) -> None:
        book_seat(user=alice, show_id=hall.pk, seat_number=1)
        hold_seats(user=alice, show_id=hall.pk, seat_numbers=[2])
        book_seat(user=bob, show_id=hall.pk, seat_number=5)
        hold_seats(user=bob, show_id=hall.pk, seat_numbers=[6])
        block_seats(show_id=hall.pk, seat_numbers=[12], reason="House seat")
        free = dict.fromkeys((3, 4, 7, 8, 9, 10, 11), "available")
        taken = {1: "booked", 2: "held", 5: "booked", 6: "held", 12: "blocked"}
        for who, own in ((alice, {1: "booked*", 2: "held*"}), (bob, {5: "booked*", 6: "held*"}), (sam, {}), (None, {})):
            told = door.seat_map(hall.pk, who)
            assert states(told) == {**free, **taken, **own}
            assert told.facts["summary"] == {
                "total": 12,
                "available": 7,
                "held": 2,
                "booked": 2,
                "blocked": 1,
                "largest_block": 3,
            }
            assert told.facts["show"]["available_seats"] == door.available(hall.pk) == 7
            assert told.facts["show"]["seats_per_row"] == 4

    def test_is_told_alike_at_both(self, rest: Any, graph: Any, alice: User, hall: Show) -> None:
        hold_seats(user=alice, show_id=hall.pk, seat_numbers=[2, 3])
        assert rest.seat_map(hall.pk, alice).facts == graph.seat_map(hall.pk, alice).facts

    def test_names_the_rows_and_the_seats(self, door: Any, movie: Movie) -> None:
        show = make_hall(movie, rows=28, per_row=2)
        Show.objects.filter(pk=show.pk).update(total_seats=55)
        rows = door.seat_map(show.pk).facts["rows"]
        assert [row["row"] for row in rows[:2] + rows[25:]] == ["A", "B", "Z", "AA", "AB"]
        assert [seat["label"] for row in rows for seat in row["seats"]][-3:] == ["AA1", "AA2", "AB1"]
        assert [seat["seat_number"] for row in rows for seat in row["seats"]] == [*range(1, 56)]

    def test_has_ten_seats_a_row_if_nobody_said_otherwise(self, door: Any, movie: Movie) -> None:
        rows = door.seat_map(make_show(movie, seats=11).pk).facts["rows"]
        assert [len(row["seats"]) for row in rows] == [10, 1]

    def test_a_hold_that_has_run_out_holds_nothing(self, door: Any, alice: User, bob: User, hall: Show) -> None:
        hold_seats(user=alice, show_id=hall.pk, seat_numbers=[1, 2])
        run_out()
        for who in (alice, bob, None):
            told = door.seat_map(hall.pk, who)
            assert set(states(told).values()) == {"available"}
            assert (told.facts["summary"]["available"], told.facts["summary"]["held"]) == (12, 0)
        assert door.available(hall.pk) == 12

    def test_what_was_cancelled_released_or_unblocked_is_available(self, door: Any, alice: User, hall: Show) -> None:
        cancel_booking(user=alice, booking_id=book_seat(user=alice, show_id=hall.pk, seat_number=1).pk)
        release_hold(user=alice, hold_id=hold_seats(user=alice, show_id=hall.pk, seat_numbers=[2]).pk)
        block_seats(show_id=hall.pk, seat_numbers=[3], reason="Broken")
        unblock_seat(show_id=hall.pk, seat_number=3)
        assert set(states(door.seat_map(hall.pk, alice)).values()) == {"available"}

    def test_of_a_show_that_has_begun_is_still_told(self, door: Any, hall: Show) -> None:
        begin(hall)
        assert len(states(door.seat_map(hall.pk))) == 12

    @pytest.mark.parametrize("number", [0, 10**17, 2**63])
    def test_of_no_show_is_not_found(self, door: Any, hall: Show, number: int) -> None:
        assert door.seat_map(number).code == "not_found"

    def test_needs_a_token_that_holds_where_one_is_sent(self, door: Any, alice: User, hall: Show) -> None:
        token = token_of(alice)
        assert door.seat_map(hall.pk, token).ok
        User.objects.filter(pk=alice.pk).update(is_active=False)
        for bad in (token, "x", "a.b.c"):
            answer = door.seat_map(hall.pk, bad)
            assert (answer.code, answer.status) == ("token_not_valid", 401)

    def test_takes_as_many_statements_however_many_seats(
        self, door: Any, alice: User, movie: Movie, django_assert_num_queries: Any
    ) -> None:
        token, statements = token_of(alice), 1 if door.name == "rest" else 5
        for rows in (1, 30):
            show = make_hall(movie, rows=rows, per_row=10)
            book_seats(user=alice, show_id=show.pk, seat_numbers=[1, 2, 3])
            with django_assert_num_queries(statements):
                assert len(states(door.seat_map(show.pk, token))) == 10 * rows


@pytest.mark.django_db(transaction=True)
class TestChangesSince:
    """In transactions of their own, since a map's version is of those that have ended."""

    def since(self, door: Any, show: Show, version: str, who: Any = None) -> dict[int, str]:
        told = door.seat_map(show.pk, who, since=version)
        whole = door.seat_map(show.pk, who)
        assert told.facts["summary"] == whole.facts["summary"]
        assert all(row["seats"] for row in told.facts["rows"])
        assert states(told).items() <= states(whole).items()
        return states(told)

    def test_are_those_seats_alone(self, door: Any, alice: User, bob: User, hall: Show) -> None:
        booking = book_seat(user=alice, show_id=hall.pk, seat_number=1)
        held = hold_seats(user=alice, show_id=hall.pk, seat_numbers=[2])
        block_seats(show_id=hall.pk, seat_numbers=[3], reason="Broken")
        steps: list[tuple[Callable[[], Any], dict[int, str]]] = [
            (lambda: None, {}),
            (lambda: book_seats(user=bob, show_id=hall.pk, seat_numbers=[5, 12]), {5: "booked", 12: "booked"}),
            (lambda: move_booking(user=alice, booking_id=booking.pk, seat_number=4), {1: "available", 4: "booked*"}),
            (lambda: cancel_booking(user=alice, booking_id=booking.pk), {4: "available"}),
            (lambda: release_hold(user=alice, hold_id=held.pk), {2: "available"}),
            (lambda: hold_seats(user=bob, show_id=hall.pk, seat_numbers=[2]), {2: "held"}),
            (lambda: unblock_seat(show_id=hall.pk, seat_number=3), {3: "available"}),
            (lambda: block_seats(show_id=hall.pk, seat_numbers=[1], reason="Broken"), {1: "blocked"}),
            (lambda: book_seat(user=alice, show_id=make_show(hall.movie).pk, seat_number=1), {}),
        ]
        for step, changed in steps:
            version = door.seat_map(hall.pk, alice).facts["version"]
            step()
            assert self.since(door, hall, version, alice) == changed

    def test_have_the_seats_of_a_hold_that_ran_out(self, door: Any, alice: User, hall: Show, settings: Any) -> None:
        settings.HOLD_SECONDS = SHORT
        hold = hold_seats(user=alice, show_id=hall.pk, seat_numbers=[2, 3])
        version = door.seat_map(hall.pk).facts["version"]
        assert self.since(door, hall, version) == {}
        wait_until_run_out(hold)
        assert self.since(door, hall, version) == {2: "available", 3: "available"}
        later = door.seat_map(hall.pk).facts["version"]
        assert later != version
        assert self.since(door, hall, later) == {}

    @pytest.mark.parametrize("change", [{"seats_per_row": 6}, {"total_seats": 13}, {"total_seats": 11}])
    def test_are_all_seats_where_the_layout_changed(self, door: Any, hall: Show, change: dict[str, int]) -> None:
        version = door.seat_map(hall.pk).facts["version"]
        change_show(show_id=hall.pk, **change)
        assert len(self.since(door, hall, version)) == change.get("total_seats", 12)

    def test_are_told_at_the_other_door_as_well(self, rest: Any, graph: Any, alice: User, hall: Show) -> None:
        version = rest.seat_map(hall.pk).facts["version"]
        assert graph.seat_map(hall.pk).facts["version"] == version
        book_seat(user=alice, show_id=hall.pk, seat_number=1)
        assert rest.seat_map(hall.pk, since=version).facts == graph.seat_map(hall.pk, since=version).facts

    @pytest.mark.parametrize(
        "since", ["", "x", "-1", "+1", "1.5", "1-", "-", "1-x", "1-2-3", "٣", "0x1", "1 ", " 1", "1\n", "\0", "null"]
    )
    def test_of_what_is_no_version_are_refused(self, door: Any, hall: Show, since: str) -> None:
        refused_as_invalid(door.seat_map(hall.pk, since=since), "since")

    @pytest.mark.parametrize(
        "since",
        ["9" * 18, "9" * 19, "9" * 41, "9" * 5000, "{version}-9999999999999999", "{version}{version}"],
    )
    def test_of_a_version_that_no_map_has_are_refused(self, door: Any, alice: User, hall: Show, since: str) -> None:
        book_seat(user=alice, show_id=hall.pk, seat_number=1)
        version = door.seat_map(hall.pk).facts["version"]
        refused_as_invalid(door.seat_map(hall.pk, since=since.format(version=version)), "since")

    def test_of_no_show_are_not_found(self, door: Any, hall: Show) -> None:
        version = door.seat_map(hall.pk).facts["version"]
        assert door.seat_map(hall.pk + 1, since=version).code == "not_found"


class TestBookingSeveral:
    def test_books_all_of_them(self, door: Any, alice: User, hall: Show) -> None:
        answer = door.book_several(alice, hall.pk, seat_numbers=[5, 3, 4])
        assert [booking["seat_number"] for booking in answer.facts["list"]] == [3, 4, 5]
        assert {booking["status"] for booking in answer.facts["list"]} == {"booked"}
        assert {booking["show"]["available_seats"] for booking in answer.facts["list"]} == {9}
        numbers = [booking["id"] for booking in answer.facts["list"]]
        assert numbers == [*Booking.objects.order_by("seat_number").values_list("pk", flat=True)]
        listed = door.bookings(alice).facts["list"]
        assert sorted(booking["id"] for booking in listed) == sorted(numbers)
        assert answer.status == (201 if door.name == "rest" else 200)

    def test_is_told_alike_at_both(self, rest: Any, graph: Any, alice: User, hall: Show) -> None:
        one = rest.book_several(alice, hall.pk, seat_numbers=[1, 2]).facts["list"][0]
        two = graph.book_several(alice, hall.pk, seat_numbers=[3, 4]).facts["list"][0]
        assert one.keys() == two.keys()
        assert one["show"].keys() == two["show"].keys()

    def test_books_none_where_one_is_not_to_be_had_and_names_every_such_seat(
        self, door: Any, alice: User, bob: User, hall: Show
    ) -> None:
        book_seat(user=alice, show_id=hall.pk, seat_number=10)
        hold_seats(user=alice, show_id=hall.pk, seat_numbers=[4])
        block_seats(show_id=hall.pk, seat_numbers=[9], reason="Broken")
        before = everything()
        answer = door.book_several(bob, hall.pk, seat_numbers=[11, 10, 9, 4, 1])
        refused(answer, "seats_unavailable", seat_numbers=[4, 9, 10])
        assert everything() == before

    def test_books_one_in_a_list(self, door: Any, alice: User, bob: User, hall: Show) -> None:
        assert door.book_several(alice, hall.pk, seat_numbers=[3]).ok
        refused(door.book_several(bob, hall.pk, seat_numbers=[3]), "seats_unavailable", seat_numbers=[3])

    def test_takes_what_has_run_out(self, door: Any, alice: User, bob: User, hall: Show) -> None:
        hold_seats(user=alice, show_id=hall.pk, seat_numbers=[1, 2])
        run_out()
        assert door.book_several(bob, hall.pk, seat_numbers=[2, 3]).ok
        assert set(Booking.objects.values_list("user", "seat_number")) == {(bob.pk, 2), (bob.pk, 3)}

    @pytest.mark.parametrize("seats", [[0], [-1, 1], [12, 13], [1, 10_001], [1, 2**31 - 1], [-(2**31)]])
    def test_refuses_seats_that_the_show_has_not(self, door: Any, alice: User, hall: Show, seats: list[int]) -> None:
        refused(door.book_several(alice, hall.pk, seat_numbers=seats), "seat_out_of_range", min=1, max=12)
        refused(door.hold(alice, hall.pk, seat_numbers=seats), "seat_out_of_range", min=1, max=12)
        assert not everything()

    def test_refuses_a_full_show_as_full_whatever_fills_it(
        self, door: Any, alice: User, bob: User, movie: Movie
    ) -> None:
        show = make_show(movie, seats=3)
        book_seats(user=alice, show_id=show.pk, seat_numbers=[1, 2])
        block_seats(show_id=show.pk, seat_numbers=[3], reason="Broken")
        for answer in (
            door.book(bob, show.pk, 3),
            door.book_several(bob, show.pk, seat_numbers=[2, 3]),
            door.hold(bob, show.pk, seat_numbers=[3]),
        ):
            refused(answer, "show_full")
        refused(door.book_several(bob, show.pk, seat_numbers=[4]), "seat_out_of_range", min=1, max=3)

    def test_a_show_full_of_holds_is_not_full(self, door: Any, alice: User, bob: User, movie: Movie) -> None:
        show = make_show(movie, seats=2)
        hold_seats(user=alice, show_id=show.pk, seat_numbers=[1, 2])
        refused(door.book(bob, show.pk, 1), "seat_held", seat_number=1)
        refused(door.book_several(bob, show.pk, seat_numbers=[1, 2]), "seats_unavailable", seat_numbers=[1, 2])
        assert door.available(show.pk) == 0

    def test_a_blocked_seat_is_not_for_sale(self, door: Any, alice: User, hall: Show) -> None:
        block_seats(show_id=hall.pk, seat_numbers=[2], reason="Broken")
        refused(door.book(alice, hall.pk, 2), "seat_blocked", seat_number=2)
        refused(door.book_several(alice, hall.pk, seat_numbers=[1, 2]), "seats_unavailable", seat_numbers=[2])
        refused(door.hold(alice, hall.pk, seat_numbers=[1, 2]), "seats_unavailable", seat_numbers=[2])
        assert door.available(hall.pk) == 11
        unblock_seat(show_id=hall.pk, seat_number=2)
        assert door.book(alice, hall.pk, 2).ok


class TestBestSeats:
    @pytest.mark.parametrize(("quantity", "expected"), [(1, [5]), (2, [5, 6]), (3, [5, 6, 7]), (4, [5, 6, 7, 8])])
    def test_are_told_booked_and_held_alike(
        self, door: Any, alice: User, movie: Movie, quantity: int, expected: list[int]
    ) -> None:
        told, booked, held = (make_hall(movie) for _ in range(3))
        bookings = door.book_several(alice, booked.pk, best=quantity).facts["list"]
        hold = door.hold(alice, held.pk, best=quantity).facts
        assert door.best_seats(told.pk, quantity).facts["seat_numbers"] == expected
        assert [booking["seat_number"] for booking in bookings] == expected
        assert [seat["seat_number"] for seat in hold["seats"]] == expected
        assert seats_of(told) == {}

    def test_have_names(self, door: Any, hall: Show) -> None:
        answer = door.best_seats(hall.pk, 2)
        assert answer.facts == {"seat_numbers": [5, 6], "labels": ["B1", "B2"]}
        assert answer.status == 200

    def test_are_told_alike_at_both(self, rest: Any, graph: Any, hall: Show) -> None:
        for quantity in (1, 4, 5):
            one, two = rest.best_seats(hall.pk, quantity), graph.best_seats(hall.pk, quantity)
            assert (one.code, one.facts) == (two.code, two.facts)

    @pytest.fixture
    def evening(self, movie: Movie, bob: User) -> list[Show]:
        """A show of two rows of three, one seat taken in each; earlier, full, small and other shows; and four later
        ones that have three together."""
        shows = [make_hall(movie, rows=2, per_row=3, hours=24, screen="Now")]
        book_seats(user=bob, show_id=shows[0].pk, seat_numbers=[2, 5])
        make_hall(movie, hours=23)
        narrow = make_hall(movie, rows=9, per_row=2, hours=25)
        full = make_hall(movie, rows=1, per_row=3, hours=25)
        book_seats(user=bob, show_id=full.pk, seat_numbers=[1, 2, 3])
        blocked = make_hall(movie, rows=1, per_row=3, hours=25)
        block_seats(show_id=blocked.pk, seat_numbers=[2], reason="Broken")
        make_hall(Movie.objects.create(title="Another", duration_minutes=90), hours=25)
        assert narrow.seats_per_row == 2
        return shows + [make_hall(movie, hours=26 + number, screen=f"Later {number}") for number in range(4)]

    def test_that_are_not_there_are_refused_with_a_way_out(self, door: Any, alice: User, evening: list[Show]) -> None:
        show, *later = evening
        alternatives = [
            {
                "id": other.pk,
                "screen_name": other.screen_name,
                "date_time": other.date_time.isoformat().replace("+00:00", "Z"),
            }
            for other in later[:3]
        ]
        before = everything()
        for answer in (
            door.best_seats(show.pk, 3),
            door.book_several(alice, show.pk, best=3),
            door.hold(alice, show.pk, best=3),
        ):
            refused(answer, "no_adjacent_seats", largest_block=1, alternatives=alternatives)
        assert everything() == before

    def test_may_be_in_parts(self, door: Any, alice: User, bob: User, evening: list[Show]) -> None:
        show = evening[0]
        best = door.best_seats(show.pk, 2, allow_split=True).facts["seat_numbers"]
        assert len(best) == 2
        assert door.best_seats(show.pk, 2, allow_split=False).code == "no_adjacent_seats"
        held = door.hold(alice, show.pk, best=2, allow_split=True)
        assert [seat["seat_number"] for seat in held.facts["seats"]] == best
        booked = door.book_several(bob, show.pk, best=2, allow_split=True)
        assert [row["seat_number"] for row in booked.facts["list"]] == sorted({1, 3, 4, 6} - {*best})
        answer = door.book_several(bob, show.pk, best=1, allow_split=True)
        assert (answer.code, answer.facts["largest_block"]) == ("no_adjacent_seats", 0)

    def test_of_a_full_show_are_no_adjacent_seats(self, door: Any, alice: User, bob: User, movie: Movie) -> None:
        show = make_show(movie, seats=2)
        book_seats(user=bob, show_id=show.pk, seat_numbers=[1, 2])
        for answer in (
            door.best_seats(show.pk, 1),
            door.book_several(alice, show.pk, best=1),
            door.hold(alice, show.pk, best=1),
        ):
            refused(answer, "no_adjacent_seats", largest_block=0, alternatives=[])

    def test_pass_what_has_run_out_by_no_longer(self, door: Any, alice: User, bob: User, movie: Movie) -> None:
        show = make_show(movie, seats=2)
        hold_seats(user=alice, show_id=show.pk, seat_numbers=[1, 2])
        assert door.book_several(bob, show.pk, best=2).code == "no_adjacent_seats"
        run_out()
        assert door.book_several(bob, show.pk, best=2).ok

    @pytest.mark.parametrize("number", [0, 10**17, 2**63])
    def test_of_no_show_are_not_found(self, door: Any, alice: User, hall: Show, number: int) -> None:
        assert door.best_seats(number, 1).code == "not_found"
        assert door.book_several(alice, number, best=1).code == "not_found"
        assert door.hold(alice, number, best=1).code == "not_found"

    @pytest.mark.parametrize("quantity", [0, 11, -1, 2**31 - 1, 2**31, 10**400, "", "x", "3.0", "٣", " 3", "1e1"])
    def test_are_1_to_10(self, door: Any, hall: Show, quantity: Any) -> None:
        refused_as_invalid(door.best_seats(hall.pk, quantity), "quantity")

    @pytest.mark.parametrize("quantity", ["3", 1.5, 3.0, True, None, [], [3], {}])
    def test_are_a_number_of_the_graph(self, graph: Any, hall: Show, quantity: Any) -> None:
        refused_as_invalid(graph.best_seats(hall.pk, quantity))

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("", "quantity"),
            ("allow_split=true", "quantity"),
            ("quantity=%00", "quantity"),
            ("quantity=1&quantity=2", "quantity"),
            ("quantity=1&allow_split=yes", "allow_split"),
            ("quantity=1&allow_split=1", "allow_split"),
            ("quantity=1&allow_split=True", "allow_split"),
            ("quantity=1&allow_split=", "allow_split"),
            ("quantity=1&allow_split=true&allow_split=true", "allow_split"),
            ("quantity=1&best=1", "best"),
            ("quantity=1&since=1", "since"),
        ],
    )
    def test_refuse_a_query_that_cannot_be_read(self, rest: Any, hall: Show, query: str, field: str) -> None:
        response = rest.send("GET", f"/shows/{hall.pk}/best-seats/?{query}")
        assert (response.status_code, response.json()["code"]) == (400, "invalid")
        assert list(response.json()["errors"]) == [field]


class TestHolding:
    def test_keeps_the_seats_for_ten_minutes(self, door: Any, alice: User, bob: User, hall: Show) -> None:
        answer = door.hold(alice, hall.pk, seat_numbers=[6, 5])
        hold = Hold.objects.get()
        assert (hold.user, hold.show, hold.size) == (alice, hall, 2)
        created, expires = instant(answer.facts.pop("created_at")), instant(answer.facts.pop("expires_at"))
        assert created == hold.created_at
        assert abs((expires - created).total_seconds() - 600) < 1
        assert answer.facts.pop("show")["available_seats"] == 10
        assert answer.facts == {
            "id": hold.pk,
            "seats": [{"seat_number": 5, "label": "B1"}, {"seat_number": 6, "label": "B2"}],
        }
        assert answer.status == (201 if door.name == "rest" else 200)
        refused(door.book(bob, hall.pk, 5), "seat_held", seat_number=5)
        refused(door.hold(bob, hall.pk, seat_numbers=[4, 5, 6]), "seats_unavailable", seat_numbers=[5, 6])
        refused(door.book_several(bob, hall.pk, seat_numbers=[4, 5]), "seats_unavailable", seat_numbers=[5])
        assert seats_of(hall) == {5: "held", 6: "held"}
        assert door.bookings(alice).facts["list"] == []

    def test_is_told_alike_at_both(self, rest: Any, graph: Any, alice: User, hall: Show) -> None:
        made = rest.hold(alice, hall.pk, seat_numbers=[1, 2]).facts
        assert rest.held(alice, made["id"]).facts == graph.held(alice, made["id"]).facts == made
        assert rest.holds(alice).facts == graph.holds(alice).facts == {"list": [made]}

    def test_never_outlives_the_beginning_of_the_show(self, door: Any, alice: User, movie: Movie) -> None:
        show = make_show(movie, hours=0.1)
        hold = door.hold(alice, show.pk, seat_numbers=[1]).facts
        assert instant(hold["expires_at"]) == show.date_time
        assert instant(door.extend(alice, hold["id"]).facts["expires_at"]) == show.date_time

    def test_is_no_booking(self, door: Any, alice: User, hall: Show) -> None:
        hold_seats(user=alice, show_id=hall.pk, seat_numbers=[1])
        claim = Claim.objects.get()
        assert door.cancel(alice, claim.pk).code == "not_found"
        assert door.move(alice, claim.pk, 2).code == "not_found"
        assert door.booking(alice, claim.pk).code == "not_found"
        assert seats_of(hall) == {1: "held"}

    def test_is_limited_to_ten_seats_of_a_show(self, door: Any, alice: User, bob: User, hall: Show) -> None:
        assert door.hold(alice, hall.pk, seat_numbers=[*range(1, 9)]).ok
        refused(door.hold(alice, hall.pk, seat_numbers=[9, 10, 11]), "too_many_held", limit=10, held=8)
        refused(door.hold(alice, hall.pk, best=3), "too_many_held", limit=10, held=8)
        assert door.hold(alice, hall.pk, seat_numbers=[9, 10]).ok
        refused(door.hold(alice, hall.pk, seat_numbers=[11]), "too_many_held", limit=10, held=10)
        assert len(seats_of(hall)) == 10
        assert door.hold(bob, hall.pk, seat_numbers=[11]).ok
        assert door.hold(alice, make_show(hall.movie).pk, seat_numbers=[1, 2]).ok

    def test_what_has_run_out_or_was_booked_does_not_count(self, door: Any, alice: User, hall: Show) -> None:
        door.hold(alice, hall.pk, seat_numbers=[*range(1, 7)])
        run_out()
        held = door.hold(alice, hall.pk, seat_numbers=[*range(1, 11)])
        assert held.ok
        assert door.confirm(alice, held.facts["id"]).ok
        assert door.hold(alice, hall.pk, seat_numbers=[11, 12]).ok

    def test_ones_own_held_seat_is_held(self, door: Any, alice: User, hall: Show) -> None:
        door.hold(alice, hall.pk, seat_numbers=[1])
        refused(door.hold(alice, hall.pk, seat_numbers=[1, 2]), "seats_unavailable", seat_numbers=[1])

    def test_takes_over_what_has_run_out(self, door: Any, alice: User, bob: User, hall: Show) -> None:
        first = door.hold(alice, hall.pk, seat_numbers=[1, 2]).facts["id"]
        run_out()
        second = door.hold(bob, hall.pk, seat_numbers=[2, 3]).facts["id"]
        refused(door.confirm(alice, first), "hold_expired")
        refused(door.extend(alice, first), "hold_expired")
        refused(door.release(alice, first), "hold_expired")
        assert door.confirm(bob, second).ok
        assert seats_of(hall) == {1: "held", 2: "booked", 3: "booked"}  # seat 1: nobody has taken it since
        assert states(door.seat_map(hall.pk, alice))[1] == "available"


class TestBookingWhatIsHeld:
    @pytest.fixture
    def hold(self, door: Any, alice: User, hall: Show) -> int:
        return int(door.hold(alice, hall.pk, seat_numbers=[1, 2]).facts["id"])

    def test_by_oneself_consumes_the_hold(self, door: Any, alice: User, hall: Show, hold: int) -> None:
        answer = door.book(alice, hall.pk, 1)
        assert answer.ok
        assert answer.facts["show"]["available_seats"] == 10
        assert seats_of(hall) == {1: "booked", 2: "held"}
        assert door.held(alice, hold).facts["seats"] == [{"seat_number": 2, "label": "A2"}]
        assert door.confirm(alice, hold).ok
        assert seats_of(hall) == {1: "booked", 2: "booked"}
        assert door.confirm(alice, hold).ok
        assert Claim.objects.count() == 2

    def test_with_others_consumes_the_hold(self, door: Any, alice: User, hall: Show, hold: int) -> None:
        answer = door.book_several(alice, hall.pk, seat_numbers=[1, 2, 3])
        assert answer.ok
        assert (
            {booking["show"]["available_seats"] for booking in answer.facts["list"]} == {9} == {door.available(hall.pk)}
        )
        assert seats_of(hall) == dict.fromkeys((1, 2, 3), "booked")
        assert door.holds(alice).facts["list"] == []
        refused(door.release(alice, hold), "hold_confirmed")

    def test_a_part_of_a_hold_can_be_released(self, door: Any, alice: User, hall: Show, hold: int) -> None:
        door.book(alice, hall.pk, 1)
        assert door.release(alice, hold).ok
        assert seats_of(hall) == {1: "booked"}

    def test_by_somebody_else_is_refused(self, door: Any, bob: User, hall: Show, hold: int) -> None:
        refused(door.book(bob, hall.pk, 1), "seat_held", seat_number=1)
        assert seats_of(hall) == {1: "held", 2: "held"}


class TestConfirming:
    @pytest.fixture
    def hold(self, door: Any, alice: User, hall: Show) -> int:
        return int(door.hold(alice, hall.pk, seat_numbers=[1, 2]).facts["id"])

    def test_books_the_seats(self, door: Any, alice: User, bob: User, hall: Show, hold: int) -> None:
        answer = door.confirm(alice, hold)
        assert answer.status == (201 if door.name == "rest" else 200)
        bookings = answer.facts["list"]
        assert [(booking["seat_number"], booking["status"]) for booking in bookings] == [(1, "booked"), (2, "booked")]
        assert {booking["show"]["available_seats"] for booking in bookings} == {10}
        assert seats_of(hall) == {1: "booked", 2: "booked"}
        assert {booking["id"] for booking in bookings} == {row["id"] for row in door.bookings(alice).facts["list"]}
        refused(door.book(bob, hall.pk, 1), "seat_taken", seat_number=1)
        assert door.holds(alice).facts["list"] == []
        assert door.held(alice, hold).code == "not_found"

    def test_twice_is_answered_alike(self, door: Any, alice: User, hall: Show, hold: int) -> None:
        first = door.confirm(alice, hold)
        before = everything()
        again = door.confirm(alice, hold)
        assert (again.facts, again.status) == (first.facts, first.status)
        assert everything() == before

    def test_again_is_answered_after_the_show_has_begun(self, door: Any, alice: User, hall: Show, hold: int) -> None:
        first = door.confirm(alice, hold)
        begin(hall)
        again = door.confirm(alice, hold)
        assert [booking["id"] for booking in again.facts["list"]] == [row["id"] for row in first.facts["list"]]

    def test_again_answers_when_a_seat_was_moved_or_cancelled(
        self, door: Any, alice: User, hall: Show, hold: int
    ) -> None:
        one, two = (booking["id"] for booking in door.confirm(alice, hold).facts["list"])
        assert door.move(alice, one, 7).ok
        assert door.cancel(alice, two).ok
        again = door.confirm(alice, hold)
        assert {booking["id"] for booking in again.facts["list"]} == {one, two}

    def test_too_late_is_refused(self, door: Any, alice: User, hall: Show, hold: int) -> None:
        run_out()
        before = everything()
        refused(door.confirm(alice, hold), "hold_expired")
        assert everything() == before
        assert door.holds(alice).facts["list"] == []
        assert door.held(alice, hold).code == "not_found"

    def test_closes_the_hold_to_the_other_verbs(self, door: Any, alice: User, hall: Show, hold: int) -> None:
        door.confirm(alice, hold)
        before = everything()
        refused(door.extend(alice, hold), "hold_confirmed")
        refused(door.release(alice, hold), "hold_confirmed")
        assert everything() == before

    def test_knows_no_hold_of_somebody_else(self, door: Any, bob: User, sam: User, hall: Show, hold: int) -> None:
        before = everything()
        for who in (bob, sam):
            for verb in (door.confirm, door.extend, door.release, door.held):
                assert verb(who, hold).code == verb(who, hold + 1000).code == "not_found"
            assert door.holds(who).facts["list"] == []
        assert everything() == before

    def test_twice_is_answered_alike_where_a_booking_was_moved_onto_a_seat_of_it(
        self, door: Any, alice: User, hall: Show, hold: int
    ) -> None:
        booking = door.book(alice, hall.pk, 9).facts["id"]
        assert door.move(alice, booking, 1).ok
        first = door.confirm(alice, hold)
        assert [row["seat_number"] for row in first.facts["list"]] == [2]
        again = door.confirm(alice, hold)
        assert (again.code, again.facts) == (first.code, first.facts)
        refused(door.extend(alice, hold), "hold_confirmed")


class TestExtending:
    @pytest.fixture
    def hold(self, door: Any, alice: User, hall: Show) -> int:
        return int(door.hold(alice, hall.pk, seat_numbers=[1, 2]).facts["id"])

    def test_lasts_for_its_whole_time_again(self, door: Any, alice: User, hall: Show, hold: int) -> None:
        Claim.objects.update(expires_at=timezone.now() + timedelta(seconds=5))
        answer = door.extend(alice, hold)
        assert answer.ok
        left = instant(answer.facts["expires_at"]) - timezone.now()
        assert 590 < left.total_seconds() <= 600.1
        assert [seat["seat_number"] for seat in answer.facts["seats"]] == [1, 2]
        assert answer.facts["show"]["available_seats"] == 10
        assert door.held(alice, hold).facts == answer.facts

    def test_ends_thirty_minutes_after_the_first(self, door: Any, alice: User, hall: Show, hold: int) -> None:
        created = timezone.now() - timedelta(minutes=25)
        Hold.objects.update(created_at=created)
        Claim.objects.update(expires_at=timezone.now() + timedelta(seconds=5))
        for _ in range(2):
            answer = door.extend(alice, hold)
            assert answer.ok
            ends = instant(answer.facts["expires_at"]) - created
            assert abs(ends.total_seconds() - 1800) < 0.01

    def test_never_shortens(self, door: Any, alice: User, hall: Show, hold: int) -> None:
        later = timezone.now() + timedelta(minutes=29)
        Claim.objects.update(expires_at=later)
        assert instant(door.extend(alice, hold).facts["expires_at"]) == later

    def test_too_late_is_refused(self, door: Any, alice: User, hall: Show, hold: int) -> None:
        run_out()
        refused(door.extend(alice, hold), "hold_expired")
        assert door.available(hall.pk) == 12


class TestReleasing:
    def test_frees_the_seats_at_once(self, door: Any, alice: User, bob: User, hall: Show) -> None:
        hold = door.hold(alice, hall.pk, seat_numbers=[1, 2]).facts["id"]
        answer = door.release(alice, hold)
        assert (answer.facts, answer.status) == ({}, 204 if door.name == "rest" else 200)
        assert seats_of(hall) == {}
        assert door.available(hall.pk) == 12
        assert door.book(bob, hall.pk, 1).ok

    def test_leaves_nothing_to_do_with_it(self, door: Any, alice: User, hall: Show) -> None:
        hold = door.hold(alice, hall.pk, seat_numbers=[1, 2]).facts["id"]
        door.release(alice, hold)
        for verb in (door.confirm, door.extend, door.release, door.held):
            assert verb(alice, hold).code == "not_found"
        assert door.holds(alice).facts["list"] == []

    def test_too_late_is_refused(self, door: Any, alice: User, hall: Show) -> None:
        hold = door.hold(alice, hall.pk, seat_numbers=[1, 2]).facts["id"]
        run_out()
        refused(door.release(alice, hold), "hold_expired")


class TestMyHolds:
    def test_are_those_that_can_be_confirmed(self, door: Any, alice: User, bob: User, movie: Movie) -> None:
        shows = [make_show(movie) for _ in range(6)]
        made = [door.hold(alice, show.pk, seat_numbers=[1, 2]).facts for show in shows]
        door.hold(bob, shows[0].pk, seat_numbers=[3])
        door.confirm(alice, made[1]["id"])
        door.release(alice, made[2]["id"])
        Claim.objects.filter(hold=made[3]["id"]).update(expires_at=timezone.now() - timedelta(seconds=1))
        begin(shows[4])
        listed = door.holds(alice).facts["list"]
        assert [hold["id"] for hold in listed] == [made[0]["id"], made[5]["id"]]
        assert listed[1] == made[5]
        assert listed[0]["show"]["available_seats"] == 2
        for number in (1, 2, 3, 4):
            assert door.held(alice, made[number]["id"]).code == "not_found"

    def test_come_in_rest_as_they_run_out(self, rest: Any, alice: User, movie: Movie) -> None:
        first, second = (rest.hold(alice, make_show(movie).pk, seat_numbers=[1]).facts["id"] for _ in range(2))
        Claim.objects.filter(hold=second).update(expires_at=timezone.now() + timedelta(seconds=60))
        assert [hold["id"] for hold in rest.holds(alice).facts["list"]] == [second, first]
        page = rest.send("GET", "/my-holds/?limit=1&offset=1", who=alice)
        assert ([hold["id"] for hold in page.json()], page.headers["X-Total-Count"]) == ([first], "2")

    def test_take_as_many_statements_however_many(self, door: Any, alice: User, movie: Movie) -> None:
        token, counts = token_of(alice), []
        for _ in range(2):
            for _ in range(5):
                hold_seats(user=alice, show_id=make_show(movie).pk, seat_numbers=[1, 2])
            with CaptureQueriesContext(connection) as statements:
                assert door.holds(token).ok
            counts.append(len(statements))
        assert counts[0] == counts[1]

    def test_need_a_token(self, door: Any, db: None) -> None:
        answer = door.holds(None)
        assert (answer.code, answer.status) == ("not_authenticated", 401)


class TestMoving:
    @pytest.fixture
    def booking(self, door: Any, alice: User, hall: Show) -> int:
        return int(door.book(alice, hall.pk, 3).facts["id"])

    def test_keeps_the_booking_and_frees_its_seat(
        self, door: Any, alice: User, bob: User, hall: Show, booking: int
    ) -> None:
        answer = door.move(alice, booking, 7)
        assert (answer.status, answer.facts["id"], answer.facts["seat_number"]) == (200, booking, 7)
        assert answer.facts["status"] == "booked"
        assert answer.facts["show"]["available_seats"] == 11 == door.available(hall.pk)
        assert seats_of(hall) == {7: "booked"}
        assert door.bookings(alice).facts["list"] == [answer.facts]
        assert door.book(bob, hall.pk, 3).ok
        refused(door.book(bob, hall.pk, 7), "seat_taken", seat_number=7)

    def test_to_and_fro(self, door: Any, alice: User, hall: Show, booking: int) -> None:
        for seat in (7, 3, 7, 7):
            assert door.move(alice, booking, seat).facts["seat_number"] == seat
        assert seats_of(hall) == {7: "booked"}
        assert Booking.objects.count() == 1

    def test_works_when_nothing_else_is_left(self, door: Any, alice: User, bob: User, hall: Show, booking: int) -> None:
        book_seats(user=bob, show_id=hall.pk, seat_numbers=[1, 2, 4, 5, 6, 7])
        block_seats(show_id=hall.pk, seat_numbers=[8, 9, 10, 11], reason="Broken")
        assert door.move(alice, booking, 12).ok
        assert door.book(bob, hall.pk, 3).ok
        refused(door.move(alice, booking, 3), "seat_taken", seat_number=3)

    def test_is_refused_where_the_seat_is_not_to_be_had(
        self, door: Any, alice: User, bob: User, hall: Show, booking: int
    ) -> None:
        book_seat(user=bob, show_id=hall.pk, seat_number=1)
        hold_seats(user=bob, show_id=hall.pk, seat_numbers=[2])
        block_seats(show_id=hall.pk, seat_numbers=[4], reason="Broken")
        own = book_seat(user=alice, show_id=hall.pk, seat_number=5)
        before = everything()
        for seat, code in ((1, "seat_taken"), (2, "seat_held"), (4, "seat_blocked"), (5, "seat_taken")):
            refused(door.move(alice, booking, seat), code, seat_number=seat)
        for seat in (0, -1, 13, 10_001, 32_768, 2**31 - 1):
            refused(door.move(alice, booking, seat), "seat_out_of_range", min=1, max=12)
        assert own.seat_number == 5
        assert everything() == before

    def test_takes_over_what_has_run_out(self, door: Any, alice: User, bob: User, hall: Show, booking: int) -> None:
        hold = hold_seats(user=bob, show_id=hall.pk, seat_numbers=[1, 2])
        run_out()
        assert door.move(alice, booking, 1).ok
        assert seats_of(hall)[1] == "booked"
        refused(door.confirm(bob, hold.pk), "hold_expired")

    def test_takes_ones_own_held_seat(self, door: Any, alice: User, hall: Show, booking: int) -> None:
        hold = door.hold(alice, hall.pk, seat_numbers=[1, 2]).facts["id"]
        answer = door.move(alice, booking, 1)
        assert answer.facts["show"]["available_seats"] == 10 == door.available(hall.pk)
        assert seats_of(hall) == {1: "booked", 2: "held"}
        assert door.held(alice, hold).facts["seats"] == [{"seat_number": 2, "label": "A2"}]

    def test_of_a_cancelled_booking_is_refused(self, door: Any, alice: User, hall: Show, booking: int) -> None:
        door.cancel(alice, booking)
        refused(door.move(alice, booking, 7), "already_cancelled")
        begin(hall)
        refused(door.move(alice, booking, 7), "already_cancelled")
        assert seats_of(hall) == {}

    def test_knows_no_booking_of_somebody_else(self, door: Any, bob: User, sam: User, hall: Show, booking: int) -> None:
        for who in (bob, sam):
            for number in (booking, booking + 1000, 0, 2**63):
                assert door.move(who, number, 7).code == "not_found"
        assert seats_of(hall) == {3: "booked"}

    @pytest.mark.parametrize("seat", ["5", "٣", 5.0, 5.5, True, None, [], [5], {}, 2**63, 10**400])
    def test_takes_nothing_but_an_integer(self, door: Any, alice: User, hall: Show, booking: int, seat: Any) -> None:
        answer = door.move(alice, booking, seat)
        assert answer.status == 400 or answer.code == "seat_out_of_range"
        assert seats_of(hall) == {3: "booked"}


# --- What is true of each verb ------------------------------------------------------------------


@dataclass
class Scene:
    """Alice holds seats 1 and 2 and has booked seat 3; the others are free."""

    show: Show
    hold: int
    booking: int


@pytest.fixture
def scene(alice: User, hall: Show) -> Scene:
    hold = hold_seats(user=alice, show_id=hall.pk, seat_numbers=[1, 2])
    return Scene(hall, hold.pk, book_seat(user=alice, show_id=hall.pk, seat_number=3).pk)


Verb = Callable[..., Answer]
VERBS: dict[str, Verb] = {
    "book": lambda door, who, on, **key: door.book(who, on.show.pk, 7, **key),
    "book several": lambda door, who, on, **key: door.book_several(who, on.show.pk, seat_numbers=[7, 8], **key),
    "book the best": lambda door, who, on, **key: door.book_several(who, on.show.pk, best=2, **key),
    "hold": lambda door, who, on, **key: door.hold(who, on.show.pk, seat_numbers=[7, 8], **key),
    "hold the best": lambda door, who, on, **key: door.hold(who, on.show.pk, best=2, allow_split=True, **key),
    "confirm": lambda door, who, on, **key: door.confirm(who, on.hold, **key),
    "extend": lambda door, who, on, **key: door.extend(who, on.hold, **key),
    "release": lambda door, who, on, **key: door.release(who, on.hold, **key),
    "move": lambda door, who, on, **key: door.move(who, on.booking, 7, **key),
    "cancel": lambda door, who, on, **key: door.cancel(who, on.booking, **key),
}


@pytest.mark.parametrize("verb", VERBS.values(), ids=[name.replace(" ", "-") for name in VERBS])
class TestEachVerb:
    def test_needs_a_token(self, door: Any, scene: Scene, verb: Verb) -> None:
        before = everything()
        answer = verb(door, None, scene)
        assert (answer.code, answer.status) == ("not_authenticated", 401)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        answer = verb(door, "a.b.c", scene)
        assert (answer.code, answer.status) == ("token_not_valid", 401)
        assert everything() == before

    @pytest.mark.parametrize("change", [{"is_active": False}, {"password": "another"}])
    def test_refuses_an_account_that_is_gone_at_once(
        self, door: Any, alice: User, scene: Scene, verb: Verb, change: dict[str, Any]
    ) -> None:
        token = token_of(alice)
        User.objects.filter(pk=alice.pk).update(**change)
        before = everything()
        for key in ({}, {"key": "some-key"}):
            answer = verb(door, token, scene, **key)
            assert (answer.code, answer.status) == ("token_not_valid", 401)
        assert everything() == before
        assert not IdempotencyKey.objects.exists()

    def test_is_closed_when_the_show_has_begun(self, door: Any, alice: User, scene: Scene, verb: Verb) -> None:
        begin(scene.show)
        before = everything()
        refused(verb(door, alice, scene), "show_started")
        assert everything() == before

    def test_is_closed_when_staff_have_let_the_show_begin(
        self, door: Any, alice: User, scene: Scene, verb: Verb
    ) -> None:
        change_show(show_id=scene.show.pk, date_time=timezone.now() - timedelta(seconds=1))
        refused(verb(door, alice, scene), "show_started")

    @pytest.mark.parametrize("number", [0, 10**17, 2**63])
    def test_knows_nothing_of_another_number(
        self, door: Any, alice: User, scene: Scene, verb: Verb, number: int
    ) -> None:
        before = everything()
        refused(verb(door, alice, Scene(Show(pk=number), number, number)), "not_found")
        assert everything() == before

    def test_is_done_once_under_a_key(self, door: Any, alice: User, scene: Scene, verb: Verb) -> None:
        first = verb(door, alice, scene, key="some-key")
        assert first.ok
        assert "Idempotent-Replayed" not in first.headers
        before = everything()
        again = verb(door, alice, scene, key="some-key")
        assert (again.facts, again.status) == (first.facts, first.status)
        assert again.headers["Idempotent-Replayed"] == "true"
        assert everything() == before

    def test_is_done_once_under_a_key_at_both_doors(
        self, rest: Any, graph: Any, alice: User, scene: Scene, verb: Verb
    ) -> None:
        first = verb(rest, alice, scene, key="some-key")
        before = everything()
        again = verb(graph, alice, scene, key="some-key")
        assert (again.facts, again.headers["Idempotent-Replayed"]) == (first.facts, "true")
        assert everything() == before

    def test_keeps_its_refusal_under_a_key(self, door: Any, alice: User, scene: Scene, verb: Verb) -> None:
        begin(scene.show)
        assert verb(door, alice, scene, key="some-key").code == "show_started"
        Show.objects.filter(pk=scene.show.pk).update(date_time=scene.show.date_time)
        before = everything()
        again = verb(door, alice, scene, key="some-key")
        assert (again.code, again.headers["Idempotent-Replayed"]) == ("show_started", "true")
        assert everything() == before
        assert verb(door, alice, scene).ok

    def test_takes_no_key_of_something_else(self, door: Any, alice: User, scene: Scene, verb: Verb) -> None:
        assert door.book(alice, scene.show.pk, 12, key="some-key").ok
        before = everything()
        refused(verb(door, alice, scene, key="some-key"), "idempotency_key_reused")
        refused(verb(door, alice, scene, key="a b"), "idempotency_key_invalid")
        assert everything() == before


@pytest.mark.parametrize(
    ("verb", "input"),
    [
        ("confirmHold", {"holdId": ("Booking", "hold")}),
        ("extendHold", {"holdId": ("Show", "hold")}),
        ("releaseHold", {"holdId": ("Booking", "hold")}),
        ("moveBooking", {"bookingId": ("Hold", "booking"), "seatNumber": 7}),
        ("holdSeats", {"showId": ("Movie", "show"), "best": 1}),
        ("bookSeats", {"showId": ("Hold", "show"), "best": 1}),
    ],
)
def test_a_global_id_of_another_type_finds_nothing(
    graph: Any, alice: User, scene: Scene, verb: str, input: dict[str, Any]
) -> None:
    numbers = {"hold": scene.hold, "booking": scene.booking, "show": scene.show.pk}
    given = {
        name: global_id(value[0], numbers[value[1]]) if isinstance(value, tuple) else value
        for name, value in input.items()
    }
    kind = verb[0].upper() + verb[1:] + "Input!"
    before = everything()
    query = f"mutation($input: {kind}) {{ {verb}(input: $input) {{ ... on Refusal {{ code message }} }} }}"
    assert graph.ask(query, alice, input=given).code == "not_found"
    for name in ("showId", "holdId", "bookingId"):
        if name in given:
            for nonsense in ("", "x", "SG9sZDo=", "é", "\0", str(scene.hold)):
                answer = graph.ask(query, alice, input={**given, name: nonsense})
                assert answer.code in ("not_found", "invalid")
    assert everything() == before


@pytest.mark.parametrize("again", [{"seat_numbers": [5, 6, 7]}, {"seat_numbers": [5]}, {"best": 2}])
def test_a_key_is_of_its_own_seats(door: Any, alice: User, hall: Show, again: dict[str, Any]) -> None:
    for verb in (door.book_several, door.hold):
        assert verb(alice, hall.pk, key=verb.__name__, seat_numbers=[5, 6]).ok
        refused(verb(alice, hall.pk, key=verb.__name__, **again), "idempotency_key_reused")
        Claim.objects.all().delete()


def test_a_key_keeps_the_facts_of_a_refusal(door: Any, alice: User, bob: User, movie: Movie) -> None:
    show = make_hall(movie, rows=1, per_row=3)
    later = make_hall(movie, rows=1, per_row=3, hours=30)
    book_seat(user=bob, show_id=show.pk, seat_number=2)
    hold = hold_seats(user=bob, show_id=show.pk, seat_numbers=[3])
    tries: list[Callable[[], Answer]] = [
        lambda: door.book_several(alice, show.pk, key="1", seat_numbers=[1, 2, 3]),
        lambda: door.hold(alice, show.pk, key="2", seat_numbers=[1, 2, 3]),
        lambda: door.book_several(alice, show.pk, key="3", best=2),
        lambda: door.hold(alice, show.pk, key="4", best=2),
        lambda: door.book(alice, show.pk, 3, key="5"),
        lambda: door.hold(alice, later.pk, key="6", seat_numbers=[9]),
    ]
    first = [attempt() for attempt in tries]
    release_hold(user=bob, hold_id=hold.pk)
    Booking.objects.update(status="cancelled", cancelled_at=timezone.now())
    again = [attempt() for attempt in tries]
    assert [answer.code for answer in first] == [
        *("seats_unavailable", "seats_unavailable", "no_adjacent_seats", "no_adjacent_seats"),
        *("seat_held", "seat_out_of_range"),
    ]
    assert [(answer.code, answer.facts) for answer in again] == [(answer.code, answer.facts) for answer in first]
    assert {answer.headers["Idempotent-Replayed"] for answer in again} == {"true"}


# --- Input that can't be taken ------------------------------------------------------------------

BAD_WISHES: list[dict[str, Any]] = [
    {},
    {"allow_split": True},
    {"seat_numbers": [1], "best": 1},
    {"seat_numbers": [], "best": 1},
    *(
        {"seat_numbers": seats}
        for seats in (
            *([], [1] * 2, [3, 4, 3], [*range(1, 12)], [*range(1, 10_001)], [1] * 10_000, [*range(-5, 6)]),
            *(["1"], ["٣"], [1.0], [1.5], [1e400], [True], [1, False], [None], [1, None], [[1]], [[]], [{}]),
            *("1", "[1]", "", True, 1.5, {}, {"0": 1}, None),
        )
    ),
    *({"best": best} for best in (0, 11, -1, 2**31 - 1, 2**63, 10**400, -(10**30))),
    *({"best": best} for best in ("3", "", 3.0, 1.5, True, False, None, [], [3], {}, 1e400)),
    *({"best": 1, "allow_split": split} for split in ("yes", "true", "", 1, 0, None, [], [True], {})),
    {"seat_numbers": [1], "allow_split": "yes"},
]


class TestBadInput:
    @pytest.mark.parametrize("wish", BAD_WISHES, ids=lambda wish: repr(wish)[:60])
    def test_is_refused_and_nothing_is_written(self, door: Any, alice: User, hall: Show, wish: dict[str, Any]) -> None:
        for verb in (door.book_several, door.hold):
            answer = verb(alice, hall.pk, key=verb.__name__, **wish)
            assert answer.code in ("invalid", "limit_exceeded", "malformed_json"), answer
            assert answer.status == 400 or (door.name == "graphql" and answer.status == 200)
        assert not everything()
        assert not IdempotencyKey.objects.exists()

    @pytest.mark.parametrize("seats", [[2**31], [2**63], [10**400], [-(10**30)], [1, 2**15]])
    def test_of_numbers_past_any_range_is_refused(self, door: Any, alice: User, hall: Show, seats: list[int]) -> None:
        for verb in (door.book_several, door.hold):
            answer = verb(alice, hall.pk, seat_numbers=seats)
            assert answer.code in ("seat_out_of_range", "invalid", "malformed_json"), answer
        assert not everything()

    @pytest.mark.parametrize(
        ("wish", "field"),
        [
            ({}, "seat_number"),
            ({"seat_number": 1, "seat_numbers": [2]}, "non_field_errors"),
            ({"seat_number": 1, "best": 1}, "non_field_errors"),
            ({"seat_number": 1, "seat_numbers": [2], "best": 1}, "non_field_errors"),
            ({"seat_numbers": [2], "best": 1}, "non_field_errors"),
            ({"seat_number": None, "best": 1}, "seat_number"),
            ({"seat_numbers": None, "best": 1}, "seat_numbers"),
            ({"best": None, "seat_number": 1}, "best"),
            ({"seat_numbers": 3}, "seat_numbers"),
            ({"seat_number": [3]}, "seat_number"),
            ({"best": 11}, "best"),
            ({"seat_numbers": [1, 1]}, "seat_numbers"),
            ({"best": 1, "allow_split": "yes"}, "allow_split"),
        ],
        ids=repr,
    )
    def test_names_the_field_in_rest(
        self, rest: Any, alice: User, hall: Show, wish: dict[str, Any], field: str
    ) -> None:
        response = rest.send("POST", f"/shows/{hall.pk}/book/", wish, alice)
        assert (response.status_code, response.json()["code"]) == (400, "invalid")
        assert list(response.json()["errors"]) == [field]
        assert not everything()

    @pytest.mark.parametrize(
        "body",
        [
            *(
                b"",
                b"{",
                b"null",
                b"5",
                b'"x"',
                b"true",
                b"[]",
                b"[1]",
                b'[{"seat_numbers": [1]}]',
                b"\xff",
                b"\xef\xbb\xbf",
            ),
            *(b'{"seat_numbers": [1]', b'{"seat_numbers": [1,]}', b'{"best": NaN}', b'{"best": 1}x', b"[" * 2000),
            b'{"seat_numbers": ' + b"[" * 1000 + b"]" * 1000 + b"}",
            b'{"best": ' + b"9" * 5000 + b"}",
            b'{"seat_numbers": [' + b"9" * 5000 + b"]}",
        ],
        ids=lambda body: repr(body[:30]),
    )
    def test_that_is_no_object_is_refused_in_rest(
        self, rest: Any, alice: User, sam: User, scene: Scene, body: bytes
    ) -> None:
        before = everything()
        for path, who in (
            (f"/shows/{scene.show.pk}/book/", alice),
            (f"/shows/{scene.show.pk}/holds/", alice),
            (f"/bookings/{scene.booking}/move/", alice),
            (f"/shows/{scene.show.pk}/blocked-seats/", sam),
        ):
            response = rest.send("POST", path, body, who)
            assert response.status_code == 400
            assert response.json()["code"] in ("invalid", "malformed_json")
        assert everything() == before

    def test_where_none_is_needed_is_not_looked_at(self, rest: Any, alice: User, scene: Scene) -> None:
        for method, path in (("POST", "extend/"), ("POST", "confirm/"), ("DELETE", "")):
            response = rest.send(method, f"/holds/{scene.hold}/{path}", b"{", alice)
            assert response.status_code in (200, 201, 409)

    @pytest.mark.parametrize(
        "query", ["since=1&since=1", "since=1&since=2", "version=1", "since=0&mine=true", "%00=1", "=1"]
    )
    def test_of_a_seat_map_that_cannot_be_read_is_refused(self, rest: Any, hall: Show, query: str) -> None:
        response = rest.send("GET", f"/shows/{hall.pk}/seats/?{query}")
        assert (response.status_code, response.json()["code"]) == (400, "invalid")

    @pytest.mark.parametrize("query", ["limit=0", "limit=x", "offset=-1", "status=held", "limit=1&limit=2"])
    def test_of_ones_holds_that_cannot_be_read_is_refused(self, rest: Any, alice: User, query: str) -> None:
        response = rest.send("GET", f"/my-holds/?{query}", who=alice)
        assert (response.status_code, response.json()["code"]) == (400, "invalid")


# --- REST alone ---------------------------------------------------------------------------------


class TestNamedSeatMaps:
    def get(self, rest: Any, show: Show, who: Any = None, query: str = "", **headers: str) -> Any:
        return rest.send("GET", f"/shows/{show.pk}/seats/{query}", who=who, **headers)

    def name(self, rest: Any, show: Show, who: Any = None) -> str:
        return str(self.get(rest, show, who).headers["ETag"])

    def test_are_not_told_again_while_they_stay(
        self, rest: Any, alice: User, hall: Show, django_assert_num_queries: Any
    ) -> None:
        book_seat(user=alice, show_id=hall.pk, seat_number=1)
        token = token_of(alice)
        for who in (token, None):
            first = self.get(rest, hall, who)
            assert first.status_code == 200
            with django_assert_num_queries(1):
                again = self.get(rest, hall, who, **{"If-None-Match": first.headers["ETag"]})
            assert (again.status_code, again.content) == (304, b"")
            for response in (first, again):
                assert response.headers["ETag"] == first.headers["ETag"]
                assert response.headers["Cache-Control"] == "private, no-cache"
                assert "authorization" in response.headers["Vary"].lower()

    def test_have_another_name_for_whoever_has_a_seat(
        self, rest: Any, alice: User, bob: User, sam: User, hall: Show
    ) -> None:
        hold_seats(user=alice, show_id=hall.pk, seat_numbers=[1])
        names = {who: self.name(rest, hall, who) for who in (alice, bob, sam, None)}
        assert names[bob] == names[sam] == names[None] != names[alice]

    def test_have_another_name_after_each_change(
        self, rest: Any, alice: User, bob: User, sam: User, hall: Show
    ) -> None:
        hold = hold_seats(user=alice, show_id=hall.pk, seat_numbers=[1])
        booking = book_seat(user=alice, show_id=hall.pk, seat_number=2)
        steps: list[Callable[[], Any]] = [
            lambda: hold_seats(user=bob, show_id=hall.pk, seat_numbers=[5]),
            lambda: book_seat(user=bob, show_id=hall.pk, seat_number=5),
            lambda: move_booking(user=alice, booking_id=booking.pk, seat_number=3),
            lambda: cancel_booking(user=alice, booking_id=booking.pk),
            lambda: release_hold(user=alice, hold_id=hold.pk),
            lambda: block_seats(show_id=hall.pk, seat_numbers=[9], reason="Broken"),
            lambda: unblock_seat(show_id=hall.pk, seat_number=9),
            lambda: change_show(show_id=hall.pk, seats_per_row=6),
            lambda: change_show(show_id=hall.pk, total_seats=13),
            lambda: change_show(show_id=hall.pk, screen_name="Capitol"),
            lambda: Movie.objects.update(title="M"),
        ]
        for number, step in enumerate(steps):
            for who in (None, sam):
                before = self.name(rest, hall, who)
                assert self.name(rest, hall, who) == before
            step()
            answer = self.get(rest, hall, None, **{"If-None-Match": before})
            assert answer.status_code == 200, number

    def test_have_another_name_when_a_hold_runs_out_by_itself(
        self, rest: Any, alice: User, hall: Show, settings: Any
    ) -> None:
        settings.HOLD_SECONDS = SHORT
        hold = hold_seats(user=alice, show_id=hall.pk, seat_numbers=[1])
        before = {who: self.get(rest, hall, who) for who in (alice, None)}
        wait_until_run_out(hold)
        for who, told in before.items():
            assert told.json()["summary"]["held"] == 1
            answer = self.get(rest, hall, who, **{"If-None-Match": told.headers["ETag"]})
            assert answer.status_code == 200
            assert answer.json()["summary"]["held"] == 0

    def test_are_ones_own_for_whatever_keeps_them(self, rest: Any, hall: Show, settings: Any) -> None:
        settings.CORS_ALLOWED_ORIGINS = ["https://front.example"]
        vary = self.get(rest, hall, None, Origin="https://front.example").headers["Vary"]
        assert {name.strip().lower() for name in vary.split(",")} == {"authorization", "origin"}

    def test_of_changes_are_no_names_of_the_whole(self, rest: Any, hall: Show) -> None:
        whole = self.get(rest, hall)
        query = f"?since={whole.json()['version']}"
        changes = self.get(rest, hall, None, query)
        assert changes.headers["ETag"] != whole.headers["ETag"]
        assert self.get(rest, hall, None, query, **{"If-None-Match": whole.headers["ETag"]}).status_code == 200
        assert self.get(rest, hall, None, query, **{"If-None-Match": changes.headers["ETag"]}).status_code == 304
        assert self.get(rest, hall, None, "?since=x", **{"If-None-Match": "*"}).status_code == 400

    @pytest.mark.parametrize("given", ['"x"', "x", '""', "W/", ",", "é", '"' * 1000])
    def test_that_nobody_has_told_are_other_names(self, rest: Any, hall: Show, given: str) -> None:
        assert self.get(rest, hall, None, **{"If-None-Match": given}).status_code == 200

    def test_of_another_show_are_other_names(self, rest: Any, hall: Show) -> None:
        other = make_hall(hall.movie)
        assert self.get(rest, other, None, **{"If-None-Match": self.name(rest, hall)}).status_code == 200

    def test_may_be_asked_for_by_their_head(self, rest: Any, hall: Show) -> None:
        for path in ("seats/", "best-seats/?quantity=2"):
            whole = rest.send("GET", f"/shows/{hall.pk}/{path}")
            head = rest.send("HEAD", f"/shows/{hall.pk}/{path}")
            assert (head.status_code, head.content) == (200, b"")
            assert head.headers.get("ETag") == whole.headers.get("ETag")
        name = self.name(rest, hall)
        assert rest.send("HEAD", f"/shows/{hall.pk}/seats/", **{"If-None-Match": name}).status_code == 304

    def test_tell_no_stranger_who_sits_where(self, rest: Any, alice: User, hall: Show) -> None:
        book_seat(user=alice, show_id=hall.pk, seat_number=1)
        hold_seats(user=alice, show_id=hall.pk, seat_numbers=[2])
        block_seats(show_id=hall.pk, seat_numbers=[3], reason="For the mayor")
        told = self.get(rest, hall).content.decode()
        assert "alice" not in told
        assert "mayor" not in told
        assert set(json.loads(told)["rows"][0]["seats"][0]) == {"seat_number", "label", "status", "mine"}


@pytest.mark.parametrize("prefix", ["", "/api"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_every_address_answers_in_each_spelling(
    rest: Any, alice: User, sam: User, scene: Scene, prefix: str, slash: str
) -> None:
    show, seats = scene.show.pk, {"seat_numbers": [7]}

    def status(method: str, path: str, body: Any = None, who: Any = alice) -> int:
        where, _, query = path.partition("?")
        response = rest.send(method, f"{prefix}/{where}{slash}{'?' if query else ''}{query}", body, who)
        return int(response.status_code)

    assert status("GET", f"shows/{show}/seats", who=None) == 200
    assert status("GET", f"shows/{show}/best-seats?quantity=2", who=None) == 200
    assert status("POST", f"shows/{show}/book", seats) == 201
    assert status("POST", f"shows/{show}/holds", {"best": 1}) == 201
    assert status("GET", "my-holds") == 200
    assert status("GET", f"holds/{scene.hold}") == 200
    assert status("HEAD", f"holds/{scene.hold}") == 200
    assert status("POST", f"holds/{scene.hold}/extend") == 200
    assert status("POST", f"holds/{scene.hold}/confirm") == 201
    assert status("DELETE", f"holds/{scene.hold}") == 409
    assert status("POST", f"bookings/{scene.booking}/move", {"seat_number": 4}) == 200
    assert status("POST", f"shows/{show}/blocked-seats", {"seat_numbers": [12], "reason": "x"}, sam) == 201
    assert status("GET", f"shows/{show}/blocked-seats", who=sam) == 200
    assert status("DELETE", f"shows/{show}/blocked-seats/12", who=sam) == 204
    for method, path in (
        ("POST", f"shows/{show}/seats"),
        ("PUT", f"holds/{scene.hold}"),
        ("GET", f"shows/{show}/book"),
    ):
        assert status(method, path, {}) == 405


# --- Staff --------------------------------------------------------------------------------------

EVE = {"screen_name": "Aurora", "date_time": "2030-12-24T19:30:00+01:00", "total_seats": 40}


class TestStaff:
    def show(self, rest: Any, show: Show, who: User, method: str, **fields: Any) -> Any:
        return rest.send(method, f"/shows/{show.pk}/", fields, who)

    def test_says_how_many_seats_a_row_has(self, rest: Any, sam: User, movie: Movie) -> None:
        path = f"/movies/{movie.pk}/shows/"
        assert rest.send("POST", path, EVE, sam).json()["seats_per_row"] == 10
        made = rest.send("POST", path, {**EVE, "seats_per_row": 100}, sam).json()
        assert made["seats_per_row"] == 100
        show = Show.objects.get(pk=made["id"])
        assert self.show(rest, show, sam, "PATCH", seats_per_row=7).json()["seats_per_row"] == 7
        assert self.show(rest, show, sam, "PATCH", screen_name="Capitol").json()["seats_per_row"] == 7
        assert self.show(rest, show, sam, "PUT", **EVE).json()["seats_per_row"] == 7
        assert self.show(rest, show, sam, "PUT", **EVE, seats_per_row=1).json()["seats_per_row"] == 1
        assert rest.seat_map(show.pk).facts["rows"][39]["row"] == "AN"

    @pytest.mark.parametrize("value", [0, -1, 101, 10**30, "10", 10.0, True, None, [], {}])
    def test_says_nothing_else(self, rest: Any, sam: User, hall: Show, value: Any) -> None:
        for method, path in (
            ("POST", f"/movies/{hall.movie_id}/shows/"),
            ("PUT", f"/shows/{hall.pk}/"),
            ("PATCH", f"/shows/{hall.pk}/"),
        ):
            response = rest.send(method, path, {**EVE, "seats_per_row": value}, sam)
            assert (response.status_code, response.json()["code"]) == (400, "invalid")
            assert list(response.json()["errors"]) == ["seats_per_row"]
        assert Show.objects.get().seats_per_row == 4

    def test_may_lay_out_a_show_anew_whatever_is_sold(self, rest: Any, sam: User, alice: User, scene: Scene) -> None:
        assert self.show(rest, scene.show, sam, "PATCH", seats_per_row=2).status_code == 200
        assert rest.held(alice, scene.hold).facts["seats"][1] == {"seat_number": 2, "label": "A2"}
        assert rest.seat_map(scene.show.pk).facts["rows"][1]["seats"][0] == {
            "seat_number": 3,
            "label": "B1",
            "status": "booked",
            "mine": False,
        }

    def test_can_not_take_a_held_seat_away(self, rest: Any, sam: User, alice: User, hall: Show) -> None:
        hold_seats(user=alice, show_id=hall.pk, seat_numbers=[7, 8])
        response = self.show(rest, hall, sam, "PATCH", total_seats=7)
        assert (response.status_code, response.json()["code"]) == (409, "seats_in_use")
        assert response.json()["highest_booked_seat"] == 8
        assert self.show(rest, hall, sam, "PATCH", total_seats=8).status_code == 200
        run_out()
        assert self.show(rest, hall, sam, "PATCH", total_seats=2).status_code == 200
        assert self.show(rest, hall, sam, "PATCH", total_seats=8).status_code == 200
        assert rest.available(hall.pk) == 8
        assert rest.hold(alice, hall.pk, seat_numbers=[7, 8]).ok

    def test_takes_blocked_seats_away(self, rest: Any, sam: User, alice: User, hall: Show) -> None:
        block_seats(show_id=hall.pk, seat_numbers=[7, 12], reason="Broken")
        assert self.show(rest, hall, sam, "PATCH", total_seats=8).json()["available_seats"] == 7
        assert self.show(rest, hall, sam, "PATCH", total_seats=12).json()["available_seats"] == 11
        assert seats_of(hall) == {7: "blocked"}

    def test_who_lets_a_show_begin_earlier_shortens_its_holds(
        self, rest: Any, sam: User, alice: User, scene: Scene
    ) -> None:
        begins = timezone.now() + timedelta(seconds=90)
        response = self.show(rest, scene.show, sam, "PATCH", date_time=begins.isoformat())
        assert response.status_code == 200
        assert instant(rest.held(alice, scene.hold).facts["expires_at"]) == begins
        later = timezone.now() + timedelta(days=2)
        self.show(rest, scene.show, sam, "PATCH", date_time=later.isoformat())
        assert instant(rest.held(alice, scene.hold).facts["expires_at"]) == begins

    def test_deletes_no_show_on_which_somebody_holds_a_seat(
        self, rest: Any, sam: User, alice: User, hall: Show
    ) -> None:
        hold_seats(user=alice, show_id=hall.pk, seat_numbers=[1])
        for path in (f"/shows/{hall.pk}/", f"/movies/{hall.movie_id}/"):
            response = rest.send("DELETE", path, who=sam)
            assert (response.status_code, response.json()["code"]) == (409, "protected")
        assert Hold.objects.live().exists()
        run_out()
        assert rest.send("DELETE", f"/shows/{hall.pk}/", who=sam).status_code == 204
        assert not Hold.objects.exists()
        assert not Claim.objects.exists()

    @pytest.mark.parametrize("path", ["/shows/{show}/", "/movies/{movie}/"])
    def test_deletes_a_show_with_blocked_seats_and_history_alone(
        self, rest: Any, sam: User, alice: User, hall: Show, path: str
    ) -> None:
        block_seats(show_id=hall.pk, seat_numbers=[7, 12], reason="Broken")
        unblock_seat(show_id=hall.pk, seat_number=7)
        release_hold(user=alice, hold_id=hold_seats(user=alice, show_id=hall.pk, seat_numbers=[1]).pk)
        response = rest.send("DELETE", path.format(show=hall.pk, movie=hall.movie_id), who=sam)
        assert response.status_code == 204
        assert not Show.objects.exists()


class TestBlockedSeats:
    def block(self, rest: Any, who: Any, show: int, **body: Any) -> Any:
        return rest.send("POST", f"/shows/{show}/blocked-seats/", body, who)

    def test_are_blocked_listed_and_put_on_sale_again(self, rest: Any, sam: User, hall: Show) -> None:
        response = self.block(rest, sam, hall.pk, seat_numbers=[5, 1], reason="  House seats ")
        assert response.status_code == 201
        one, five = (
            {"seat_number": 1, "label": "A1", "reason": "House seats"},
            {"seat_number": 5, "label": "B1", "reason": "House seats"},
        )
        assert response.json() == [one, five]
        assert self.block(rest, sam, hall.pk, seat_numbers=[3], reason="Broken").status_code == 201
        listed = rest.send("GET", f"/shows/{hall.pk}/blocked-seats/", who=sam).json()
        assert listed == [one, {"seat_number": 3, "label": "A3", "reason": "Broken"}, five]
        path = f"/shows/{hall.pk}/blocked-seats/5/"
        assert rest.send("DELETE", path, who=sam).status_code == 204
        assert rest.send("DELETE", path, who=sam).json()["code"] == "not_found"
        assert seats_of(hall) == {1: "blocked", 3: "blocked"}

    def test_are_for_staff(self, rest: Any, alice: User, hall: Show) -> None:
        block_seats(show_id=hall.pk, seat_numbers=[1], reason="Broken")
        before = everything()
        for method, path in (("GET", ""), ("POST", ""), ("DELETE", "1/")):
            for who, status, code in ((alice, 403, "permission_denied"), (None, 401, "not_authenticated")):
                body = {"seat_numbers": [2], "reason": "x"}
                response = rest.send(method, f"/shows/{hall.pk}/blocked-seats/{path}", body, who)
                assert (response.status_code, response.json()["code"]) == (status, code)
        assert everything() == before

    def test_are_blocked_all_or_none(self, rest: Any, sam: User, scene: Scene) -> None:
        block_seats(show_id=scene.show.pk, seat_numbers=[9], reason="Broken")
        before = everything()
        response = self.block(rest, sam, scene.show.pk, seat_numbers=[12, 9, 3, 1], reason="x")
        assert (response.status_code, response.json()["code"]) == (409, "seats_unavailable")
        assert response.json()["seat_numbers"] == [1, 3, 9]
        response = self.block(rest, sam, scene.show.pk, seat_numbers=[12, 13], reason="x")
        assert (response.status_code, response.json()["code"]) == (400, "seat_out_of_range")
        assert everything() == before

    def test_are_blocked_where_a_hold_has_run_out(self, rest: Any, sam: User, alice: User, scene: Scene) -> None:
        run_out()
        assert self.block(rest, sam, scene.show.pk, seat_numbers=[1], reason="x").status_code == 201
        assert rest.confirm(alice, scene.hold).code == "hold_expired"

    def test_may_be_blocked_after_the_show_has_begun(self, rest: Any, sam: User, hall: Show) -> None:
        begin(hall)
        assert self.block(rest, sam, hall.pk, seat_numbers=[1], reason="x").status_code == 201

    @pytest.mark.parametrize(
        "seats", [[], [1, 1], [*range(1, 102)], [1] * 10_000, ["1"], [1.0], [True], [None], [[1]], 1, None, "1"]
    )
    def test_of_a_list_that_is_none_are_refused(self, rest: Any, sam: User, hall: Show, seats: Any) -> None:
        response = self.block(rest, sam, hall.pk, seat_numbers=seats, reason="x")
        assert (response.status_code, response.json()["code"]) == (400, "invalid")
        assert list(response.json()["errors"]) == ["seat_numbers"]
        assert not everything()

    @pytest.mark.parametrize("seats", [[0], [-1], [10_001], [2**15], [2**31], [2**63], [10**400]])
    def test_that_no_show_has_are_refused(self, rest: Any, sam: User, hall: Show, seats: list[int]) -> None:
        response = self.block(rest, sam, hall.pk, seat_numbers=seats, reason="x")
        assert (response.status_code, response.json()["code"]) == (400, "seat_out_of_range")

    @pytest.mark.parametrize("reason", ["", "  ", "x" * 201, "a\0b", None, 5, [], True])
    def test_need_a_reason(self, rest: Any, sam: User, hall: Show, reason: Any) -> None:
        response = self.block(rest, sam, hall.pk, seat_numbers=[1], reason=reason)
        assert (response.status_code, response.json()["code"]) == (400, "invalid")
        assert list(response.json()["errors"]) == ["reason"]
        assert list(self.block(rest, sam, hall.pk, seat_numbers=[1]).json()["errors"]) == ["reason"]

    def test_of_a_hundred_are_taken_at_once(self, rest: Any, sam: User, movie: Movie) -> None:
        show = make_show(movie, seats=100)
        response = self.block(rest, sam, show.pk, seat_numbers=[*range(1, 101)], reason="é" * 200)
        assert response.status_code == 201
        assert rest.book(make_user("carol"), show.pk, 1).code == "show_full"

    @pytest.mark.parametrize("number", [0, 999_999, 2**63])
    def test_of_no_show_are_not_found(self, rest: Any, sam: User, hall: Show, number: int) -> None:
        for method, path in (("GET", ""), ("POST", ""), ("DELETE", "1/")):
            body = {"seat_numbers": [2], "reason": "x"}
            response = rest.send(method, f"/shows/{number}/blocked-seats/{path}", body, sam)
            assert (response.status_code, response.json()["code"]) == (404, "not_found")

    @pytest.mark.parametrize("seat", ["0", "2", "13", "99999", "9" * 18, "9" * 19, "x", "-1"])
    def test_that_are_not_blocked_are_not_found(self, rest: Any, sam: User, hall: Show, seat: str) -> None:
        book_seat(user=sam, show_id=hall.pk, seat_number=2)
        response = rest.send("DELETE", f"/shows/{hall.pk}/blocked-seats/{seat}/", who=sam)
        assert (response.status_code, response.json()["code"]) == (404, "not_found")
        assert seats_of(hall) == {2: "booked"}


def test_a_deleted_accounts_holds_are_free(door: Any, alice: User, bob: User, hall: Show) -> None:
    hold_seats(user=alice, show_id=hall.pk, seat_numbers=[1])
    alice.delete()
    assert set(states(door.seat_map(hall.pk)).values()) == {"available"}
    assert door.book(bob, hall.pk, 1).ok


def test_the_table_itself_keeps_a_seat_from_being_two_things(alice: User, hall: Show) -> None:
    book_seat(user=alice, show_id=hall.pk, seat_number=1)
    for status in ("booked", "blocked"):
        owner = alice if status == "booked" else None
        with pytest.raises(IntegrityError), transaction.atomic():
            Claim.objects.create(user=owner, show=hall, seat_number=1, status=status, created_at=timezone.now())
