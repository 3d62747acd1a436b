"""Any sequence of what customers and staff can do with the seats of a show, through both doors, held against a model of
dictionaries. Time passes for real: a hold that is to run out is made for a moment, and the moment is waited for."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count, groupby
from typing import Any

import pytest
from django.test import Client, override_settings
from django.utils import timezone
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from catalog.models import Movie, Show
from core.models import User
from reservations.models import Booking
from reservations.seat_map import seat_map
from reservations.seat_selection import select_seats
from tests.doors import Answer, GraphQLDoor, RestDoor, token_of

USERS = 3
SEATS = 6
PER_ROW = 3
MOST_HELD = 4
A_MOMENT = 0.02  # seconds
VERSIONS = 3  # earlier maps that are kept, to ask what has changed since

doors = st.sampled_from([RestDoor, GraphQLDoor])
users = st.integers(0, USERS - 1)
seats = st.integers(0, SEATS + 1)
groups = st.lists(st.integers(1, SEATS), min_size=1, max_size=3, unique=True)
picks = st.integers(0, 5)  # of the latest; what is beyond them was never there
strangers = st.integers(0, 4 * USERS - 1)  # most of them are nobody: then it is the owner who asks
names = count()


@dataclass
class Hold:
    """What the model knows of a hold: the seats that it had, and what has become of each."""

    user: int
    size: int
    booked: set[int] = field(default_factory=set)
    """Bookings that its seats have become."""
    moved: int = 0
    """Seats to which bookings of the same user have moved."""
    lapsed: set[int] = field(default_factory=set)
    """Seats that nobody has taken since it ran out."""
    released: bool = False

    @property
    def is_used_up(self) -> bool:
        return len(self.booked) + self.moved == self.size


class Reservations(RuleBasedStateMachine):
    """The model: what is on each seat, who made which booking, and what has become of each hold."""

    def __init__(self) -> None:
        super().__init__()
        self.there: dict[int, tuple[str, int]] = {}  # seat -> booked, held or blocked; and by which booking or hold
        self.owner: dict[int, int] = {}  # booking -> user
        self.holds: dict[int, Hold] = {}
        self.total = SEATS
        self.steps = 0
        self.client = Client()
        self.users = [User.objects.create(username=f"user{next(names)}") for _ in range(USERS)]
        self.tokens = [token_of(user) for user in self.users]
        self.sam = token_of(User.objects.create(username=f"sam{next(names)}", is_staff=True))
        movie = Movie.objects.create(title="The Third Man", duration_minutes=104)
        begins = timezone.now() + timedelta(hours=1)
        self.show = Show.objects.create(
            movie=movie, screen_name="Aurora", date_time=begins, total_seats=SEATS, seats_per_row=PER_ROW
        )
        self.versions = [self.version()]

    # --- Booking --------------------------------------------------------------------------------

    @rule(door=doors, user=users, seat=seats)
    def book(self, door: Any, user: int, seat: int) -> None:
        answer = door(self.client).book(self.tokens[user], self.show.pk, seat)
        if self.is_out_of_range(answer, seat) or self.is_full(answer):
            return
        if not self.can_be_had(seat, user):
            self.must_be_refused_for(answer, seat)
            return
        assert answer.ok
        self.note_booking(answer.facts["id"], user, seat)
        assert answer.facts["show"]["available_seats"] == self.available()

    @rule(door=doors, user=users, group=groups)
    def book_several(self, door: Any, user: int, group: list[int]) -> None:
        answer = door(self.client).book_several(self.tokens[user], self.show.pk, seat_numbers=group)
        if self.is_out_of_range(answer, *group) or self.is_full(answer) or self.is_unavailable(answer, user, group):
            return
        self.must_be_booked(answer, user, sorted(group))

    @rule(door=doors, user=users, quantity=st.integers(1, 4), allow_split=st.booleans())
    def book_best(self, door: Any, user: int, quantity: int, allow_split: bool) -> None:
        chosen = self.best(quantity, allow_split)
        wish = {"best": quantity, "allow_split": allow_split}
        answer = door(self.client).book_several(self.tokens[user], self.show.pk, **wish)
        if not self.has_no_block(answer, chosen):
            self.must_be_booked(answer, user, chosen or [])

    def must_be_booked(self, answer: Answer, user: int, group: list[int]) -> None:
        assert answer.ok, answer
        assert [booking["seat_number"] for booking in answer.facts["list"]] == group
        for booking in answer.facts["list"]:
            self.note_booking(booking["id"], user, booking["seat_number"])

    def note_booking(self, booking: int, user: int, seat: int) -> None:
        assert booking not in self.owner, "a cancelled booking came back to life"
        for hold in self.holds_on(seat, user):
            hold.booked.add(booking)
        self.take(seat, "booked", booking)
        self.owner[booking] = user

    @rule(door=doors, stranger=strangers, pick=picks)
    def cancel(self, door: Any, stranger: int, pick: int) -> None:
        booking = self.picked(self.owner, pick)
        user = stranger if stranger < USERS else self.owner.get(booking, 0)
        answer = door(self.client).cancel(self.tokens[user], booking)
        if not self.is_no_live_booking(answer, user, booking):
            assert answer.ok
            del self.there[self.seat_of(booking)]

    @rule(door=doors, stranger=strangers, pick=picks, seat=seats)
    def move(self, door: Any, stranger: int, pick: int, seat: int) -> None:
        booking = self.picked(self.owner, pick)
        user = stranger if stranger < USERS else self.owner.get(booking, 0)
        answer = door(self.client).move(self.tokens[user], booking, seat)
        if self.is_no_live_booking(answer, user, booking) or self.is_out_of_range(answer, seat):
            return
        left = self.seat_of(booking)
        if seat != left and not self.can_be_had(seat, user):
            self.must_be_refused_for(answer, seat)
            return
        assert answer.ok
        assert (answer.facts["id"], answer.facts["seat_number"]) == (booking, seat)
        if seat != left:
            for hold in self.holds_on(seat, user):
                hold.moved += 1
            del self.there[left]
            self.take(seat, "booked", booking)

    def is_no_live_booking(self, answer: Answer, user: int, booking: int) -> bool:
        if self.owner.get(booking) != user:
            assert answer.code == "not_found"
        elif ("booked", booking) not in self.there.values():
            assert answer.code == "already_cancelled"
        else:
            return False
        return True

    # --- Holding ----------------------------------------------------------------------------------

    @rule(door=doors, user=users, group=groups)
    def hold(self, door: Any, user: int, group: list[int]) -> None:
        self.hold_named(door, user, group)

    @rule(door=doors, user=users, group=groups)
    def hold_until_it_runs_out(self, door: Any, user: int, group: list[int]) -> None:
        with override_settings(HOLD_SECONDS=A_MOMENT):
            number = self.hold_named(door, user, group)
        if number is None:
            return
        self.versions.append(self.version())  # from when it was held, or had just run out
        time.sleep(2 * A_MOMENT)
        held = {seat for seat, claim in self.there.items() if claim == ("held", number)}
        self.holds[number].lapsed = held
        self.there = {seat: claim for seat, claim in self.there.items() if seat not in held}

    @rule(door=doors, user=users, quantity=st.integers(1, 4), allow_split=st.booleans())
    def hold_best(self, door: Any, user: int, quantity: int, allow_split: bool) -> None:
        chosen = self.best(quantity, allow_split)
        wish = {"best": quantity, "allow_split": allow_split}
        answer = door(self.client).hold(self.tokens[user], self.show.pk, **wish)
        if not self.has_no_block(answer, chosen) and not self.are_too_many(answer, user, quantity):
            self.must_be_held(answer, user, chosen or [])

    def hold_named(self, door: Any, user: int, group: list[int]) -> int | None:
        answer = door(self.client).hold(self.tokens[user], self.show.pk, seat_numbers=group)
        if self.is_out_of_range(answer, *group) or self.is_full(answer):
            return None
        if self.are_too_many(answer, user, len(group)) or self.is_unavailable(answer, None, group):
            return None
        return self.must_be_held(answer, user, sorted(group))

    def must_be_held(self, answer: Answer, user: int, group: list[int]) -> int:
        assert answer.ok, answer
        number = int(answer.facts["id"])
        assert [seat["seat_number"] for seat in answer.facts["seats"]] == group
        for seat in group:
            self.take(seat, "held", number)
        self.holds[number] = Hold(user, len(group))
        return number

    @rule(door=doors, stranger=strangers, pick=picks)
    def confirm_twice(self, door: Any, stranger: int, pick: int) -> None:
        for _ in range(2):
            self.confirm(door, stranger, pick)

    @rule(door=doors, stranger=strangers, pick=picks)
    def confirm(self, door: Any, stranger: int, pick: int) -> None:
        number = self.picked(self.holds, pick)
        user = stranger if stranger < USERS or number not in self.holds else self.holds[number].user
        user %= USERS
        answer = door(self.client).confirm(self.tokens[user], number)
        if self.is_no_hold(answer, user, number):
            return
        hold, held = self.holds[number], self.seats_held(number)
        if not held and not (hold.is_used_up and hold.booked):
            assert answer.code == "hold_expired"
            return
        assert answer.ok
        told = {booking["id"]: booking["seat_number"] for booking in answer.facts["list"]}
        assert hold.booked <= told.keys()
        assert sorted(told[booking] for booking in told.keys() - hold.booked) == held
        for booking in told.keys() - hold.booked:
            self.note_booking(booking, user, told[booking])

    @rule(door=doors, stranger=strangers, pick=picks)
    def extend(self, door: Any, stranger: int, pick: int) -> None:
        number = self.picked(self.holds, pick)
        user = stranger if stranger < USERS or number not in self.holds else self.holds[number].user
        user %= USERS
        answer = door(self.client).extend(self.tokens[user], number)
        if not self.is_no_hold(answer, user, number) and not self.is_over(answer, number):
            assert answer.ok
            assert [seat["seat_number"] for seat in answer.facts["seats"]] == self.seats_held(number)

    @rule(door=doors, stranger=strangers, pick=picks)
    def release(self, door: Any, stranger: int, pick: int) -> None:
        number = self.picked(self.holds, pick)
        user = stranger if stranger < USERS or number not in self.holds else self.holds[number].user
        user %= USERS
        answer = door(self.client).release(self.tokens[user], number)
        if not self.is_no_hold(answer, user, number) and not self.is_over(answer, number):
            assert answer.ok
            self.holds[number].released = True
            for seat in self.seats_held(number):
                del self.there[seat]

    def is_no_hold(self, answer: Answer, user: int, number: int) -> bool:
        hold = self.holds.get(number)
        if hold and hold.user == user and not hold.released:
            return False
        assert answer.code == "not_found"
        return True

    def is_over(self, answer: Answer, number: int) -> bool:
        if self.seats_held(number):
            return False
        assert answer.code == ("hold_confirmed" if self.holds[number].is_used_up else "hold_expired")
        return True

    # --- Staff ------------------------------------------------------------------------------------

    @rule(group=groups)
    def block(self, group: list[int]) -> None:
        body = {"seat_numbers": group, "reason": "Broken."}
        answer = self.staff("POST", f"/shows/{self.show.pk}/blocked-seats/", body)
        if not self.is_out_of_range(answer, *group) and not self.is_unavailable(answer, None, group):
            assert answer.ok
            for seat in group:
                self.take(seat, "blocked", 0)

    @rule(seat=st.integers(1, SEATS))
    def unblock(self, seat: int) -> None:
        answer = self.staff("DELETE", f"/shows/{self.show.pk}/blocked-seats/{seat}/")
        if self.there.get(seat) == ("blocked", 0):
            assert answer.ok
            del self.there[seat]
        else:
            assert answer.code == "not_found"

    @rule(total=st.integers(1, SEATS))
    def resize(self, total: int) -> None:
        answer = self.staff("PATCH", f"/shows/{self.show.pk}/", {"total_seats": total})
        highest = max((seat for seat, (what, _) in self.there.items() if what != "blocked"), default=0)
        if total < highest:
            assert (answer.code, answer.facts) == ("seats_in_use", {"highest_booked_seat": highest})
            return
        assert answer.ok
        self.total = total
        self.there = {seat: claim for seat, claim in self.there.items() if seat <= total}
        for hold in self.holds.values():
            hold.lapsed = {seat for seat in hold.lapsed if seat <= total}

    def staff(self, method: str, path: str, body: Any = None) -> Answer:
        door = RestDoor(self.client)
        return door._answer(door.send(method, path, body, self.sam))

    # --- Refusals that several have ---------------------------------------------------------------

    def is_out_of_range(self, answer: Answer, *numbers: int) -> bool:
        if all(1 <= number <= self.total for number in numbers):
            return False
        assert (answer.code, answer.facts) == ("seat_out_of_range", {"min": 1, "max": self.total})
        return True

    def is_full(self, answer: Answer) -> bool:
        if sum(what != "held" for what, _ in self.there.values()) < self.total:
            return False
        assert answer.code == "show_full"
        return True

    def must_be_refused_for(self, answer: Answer, seat: int) -> None:
        code = {"booked": "seat_taken", "held": "seat_held", "blocked": "seat_blocked"}[self.there[seat][0]]
        assert (answer.code, answer.facts) == (code, {"seat_number": seat})

    def is_unavailable(self, answer: Answer, user: int | None, group: list[int]) -> bool:
        missing = [seat for seat in sorted(group) if not self.can_be_had(seat, user)]
        if missing:
            assert (answer.code, answer.facts) == ("seats_unavailable", {"seat_numbers": missing})
        return bool(missing)

    def are_too_many(self, answer: Answer, user: int, more: int) -> bool:
        held = sum(what == "held" and self.holds[number].user == user for what, number in self.there.values())
        if held + more <= MOST_HELD:
            return False
        assert (answer.code, answer.facts) == ("too_many_held", {"limit": MOST_HELD, "held": held})
        return True

    def has_no_block(self, answer: Answer, chosen: list[int] | None) -> bool:
        if chosen is None:
            facts = {"largest_block": self.largest_block(), "alternatives": []}
            assert (answer.code, answer.facts) == ("no_adjacent_seats", facts)
        return chosen is None

    # --- What the model knows ---------------------------------------------------------------------

    def free(self) -> list[int]:
        return [seat for seat in range(1, self.total + 1) if seat not in self.there]

    def available(self) -> int:
        return len(self.free())

    def largest_block(self) -> int:
        """Count along each row; seats that follow each other have one difference to their place in the list."""
        rows = groupby(enumerate(self.free()), key=lambda it: ((it[1] - 1) // PER_ROW, it[1] - it[0]))
        return max((len(list(run)) for _, run in rows), default=0)

    def best(self, quantity: int, allow_split: bool) -> list[int] | None:
        """Which seats are the best is held against all choices elsewhere: tests.reservations.test_best."""
        return select_seats(
            self.free(), total_seats=self.total, seats_per_row=PER_ROW, quantity=quantity, allow_split=allow_split
        )

    def can_be_had(self, seat: int, user: int | None) -> bool:
        what, number = self.there.get(seat, ("", 0))
        return not what or (what == "held" and user is not None and self.holds[number].user == user)

    def holds_on(self, seat: int, user: int) -> Iterable[Hold]:
        """Give the user's own hold that has the seat, also if it has run out and nobody has taken the seat since."""
        what, number = self.there.get(seat, ("", 0))
        return [
            hold
            for it, hold in self.holds.items()
            if hold.user == user and ((what, number) == ("held", it) or (not what and seat in hold.lapsed))
        ]

    def take(self, seat: int, what: str, number: int) -> None:
        self.there[seat] = what, number
        for hold in self.holds.values():
            hold.lapsed.discard(seat)

    def seat_of(self, booking: int) -> int:
        return next(seat for seat, claim in self.there.items() if claim == ("booked", booking))

    def seats_held(self, number: int) -> list[int]:
        return sorted(seat for seat, claim in self.there.items() if claim == ("held", number))

    def picked(self, known: dict[int, Any], pick: int) -> int:
        return sorted(known)[-1 - pick] if pick < len(known) else 10**9

    # --- What must be so after each step ----------------------------------------------------------

    @invariant()
    def the_table_is_the_model(self) -> None:
        live = dict(Booking.objects.with_status("booked").filter(show=self.show).values_list("seat_number", "pk"))
        assert live == {seat: booking for seat, (what, booking) in self.there.items() if what == "booked"}
        assert dict(Booking.objects.filter(show=self.show).values_list("pk", "user_id")) == {
            booking: self.users[user].pk for booking, user in self.owner.items()
        }
        assert Show.objects.get(pk=self.show.pk).total_seats == self.total

    @invariant()
    def the_map_is_the_model(self) -> None:
        self.steps += 1
        door, user = ((RestDoor, None), (GraphQLDoor, 0))[self.steps % 2]
        told = door(self.client).seat_map(self.show.pk, None if user is None else self.tokens[user]).facts
        shown = {seat["seat_number"]: (seat["status"], seat["mine"]) for row in told["rows"] for seat in row["seats"]}
        assert shown == {seat: self.shown(seat, user) for seat in range(1, self.total + 1)}
        kinds = [what for what, _ in self.there.values()]
        assert told["summary"] == {
            "total": self.total,
            "available": self.available(),
            **{kind: kinds.count(kind) for kind in ("held", "booked", "blocked")},
            "largest_block": self.largest_block(),
        }
        assert told["show"]["available_seats"] == self.available()

    def shown(self, seat: int, user: int | None) -> tuple[str, bool]:
        what, number = self.there.get(seat, ("available", 0))
        owner = {"booked": self.owner.get(number), "held": self.holds[number].user if what == "held" else None}.get(
            what
        )
        return what, user is not None and owner == user

    @invariant()
    def nothing_is_missed_since_an_earlier_map(self) -> None:
        present = self.version()
        for version, statuses in self.versions:
            changes = seat_map(show_id=self.show.pk, since=version)
            merged = {**statuses, **{seat.seat_number: seat.status for seat in changes.seats()}}
            assert {seat: status for seat, status in merged.items() if seat <= changes.summary.total} == present[1]
        # The first stays, and the latest.
        self.versions = [self.versions[0], *self.versions[1:][1 - VERSIONS :], present]

    def version(self) -> tuple[str, dict[int, str]]:
        """Give the present map, and its version."""
        told = seat_map(show_id=self.show.pk)
        return told.version, {seat.seat_number: seat.status for seat in told.seats()}

    @invariant()
    def the_holds_are_those_of_the_model(self) -> None:
        user = self.steps % USERS
        listed = RestDoor(self.client).holds(self.tokens[user]).facts["list"]
        assert {hold["id"]: [seat["seat_number"] for seat in hold["seats"]] for hold in listed} == {
            number: self.seats_held(number)
            for number, hold in self.holds.items()
            if hold.user == user and self.seats_held(number)
        }


@pytest.mark.django_db(transaction=True)
def test_seats_follow_the_model() -> None:
    with override_settings(HOLD_SEATS=MOST_HELD):
        run_state_machine_as_test(
            Reservations, settings=settings(max_examples=10, stateful_step_count=30, deadline=None, derandomize=True)
        )
