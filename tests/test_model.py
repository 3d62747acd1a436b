"""Any sequence of bookings, cancellations and shrinkings, by several users through both doors, held against a model
that is a dictionary."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from catalog.models import Movie, Show
from core.models import User
from reservations.models import Booking
from tests.doors import GraphQLDoor, RestDoor, token_of

USERS = 3
SEATS = 4

doors = st.sampled_from([RestDoor, GraphQLDoor])
users = st.integers(0, USERS - 1)
seats = st.integers(0, SEATS + 1)


class Reservations(RuleBasedStateMachine):
    """The model: who has which seat, and which bookings were made by whom."""

    def __init__(self) -> None:
        super().__init__()
        # Each example is rolled back, in a transaction that does not count for the verbs' own being durable.
        self.atomic = transaction.atomic()
        self.atomic._from_testcase = True  # type: ignore[attr-defined]
        self.atomic.__enter__()
        self.holder: dict[int, int] = {}  # seat -> booking
        self.owner: dict[int, int] = {}  # booking -> user
        self.total = SEATS
        self.client = Client()
        self.users = [User.objects.create(username=f"user{number}") for number in range(USERS)]
        self.tokens = [token_of(user) for user in self.users]
        self.sam = token_of(User.objects.create(username="sam", is_staff=True))
        movie = Movie.objects.create(title="The Third Man", duration_minutes=104)
        self.show = Show.objects.create(
            movie=movie, screen_name="Aurora", date_time=timezone.now() + timedelta(hours=1), total_seats=SEATS
        )

    @rule(door=doors, user=users, seat=seats)
    def book(self, door: Any, user: int, seat: int) -> None:
        answer = door(self.client).book(self.tokens[user], self.show.pk, seat)
        if not 1 <= seat <= self.total:
            assert (answer.code, answer.facts) == ("seat_out_of_range", {"min": 1, "max": self.total})
        elif len(self.holder) == self.total:
            assert answer.code == "show_full"
        elif seat in self.holder:
            assert (answer.code, answer.facts) == ("seat_taken", {"seat_number": seat})
        else:
            assert answer.ok
            booking = answer.facts["id"]
            assert booking not in self.owner, "a cancelled booking came back to life"
            self.holder[seat], self.owner[booking] = booking, user
            assert answer.facts["show"]["available_seats"] == self.total - len(self.holder)

    @rule(door=doors, user=users, pick=st.integers(0, 10))
    def cancel(self, door: Any, user: int, pick: int) -> None:
        booking = sorted(self.owner)[pick] if pick < len(self.owner) else 10**9
        answer = door(self.client).cancel(self.tokens[user], booking)
        if self.owner.get(booking) != user:
            assert answer.code == "not_found"
        elif booking not in self.holder.values():
            assert answer.code == "already_cancelled"
        else:
            assert answer.ok
            self.holder = {seat: held for seat, held in self.holder.items() if held != booking}

    @rule(total=st.integers(1, SEATS))
    def resize(self, total: int) -> None:
        response = RestDoor(self.client).send("PATCH", f"/shows/{self.show.pk}/", {"total_seats": total}, self.sam)
        highest = max(self.holder, default=0)
        if total < highest:
            assert (response.status_code, response.json()["code"]) == (409, "seats_in_use")
            assert response.json()["highest_booked_seat"] == highest
        else:
            assert response.status_code == 200
            self.total = total

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.atomic.__exit__(None, None, None)

    @invariant()
    def the_table_is_the_model(self) -> None:
        live = dict(Booking.objects.live().values_list("seat_number", "pk"))
        assert live == self.holder
        assert dict(Booking.objects.values_list("pk", "user_id")) == {
            booking: self.users[user].pk for booking, user in self.owner.items()
        }
        assert Show.objects.get().total_seats == self.total


@pytest.mark.django_db
def test_bookings_follow_the_model() -> None:
    run_state_machine_as_test(
        Reservations, settings=settings(max_examples=40, stateful_step_count=30, deadline=None, derandomize=True)
    )
