"""One key, one deed: told again to whoever asks again, at either door."""

import uuid
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection
from django.utils import timezone

from core import idempotency
from core.accounts import bearer_of_access_token
from core.database import RaceLost, durable_transaction, outcome_unknown_if_lost
from core.errors import AccountInactive, IdempotencyInProgress, OutcomeUnknown, TokenNotValid
from core.idempotency import delete_old_keys
from core.models import IdempotencyKey, User
from reservations import booking as domain
from reservations.booking import book_seat, cancel_booking
from reservations.claims import take
from reservations.errors import ShowFull
from reservations.models import Booking
from tests.conftest import begin, make_show
from tests.doors import GraphQLDoor, RestDoor, token_of
from tests.interleaving import all_at_once, run_into


@pytest.fixture
def key() -> str:
    return str(uuid.uuid4())


class TestAtBothDoors:
    def test_books_once_and_tells_it_again(self, door: Any, alice: User, show: Any, key: str) -> None:
        first, again = door.book(alice, show.pk, 3, key=key), door.book(alice, show.pk, 3, key=key)
        assert first.ok
        assert (again.facts, again.status) == (first.facts, first.status)
        assert "Idempotent-Replayed" not in first.headers
        assert again.headers["Idempotent-Replayed"] == "true"
        assert Booking.objects.count() == 1

    def test_tells_the_first_answer_whatever_has_become_of_it(
        self, door: Any, alice: User, bob: User, show: Any, key: str
    ) -> None:
        first = door.book(alice, show.pk, 3, key=key)
        door.cancel(alice, first.facts["id"])
        door.book(bob, show.pk, 3)
        assert door.book(alice, show.pk, 3, key=key).facts == first.facts
        assert Booking.objects.filter(user=alice).count() == 1

    def test_a_late_duplicate_of_a_refusal_does_not_book(
        self, door: Any, alice: User, bob: User, show: Any, key: str
    ) -> None:
        hers = door.book(alice, show.pk, 3)
        first = door.book(bob, show.pk, 3, key=key)
        door.cancel(alice, hers.facts["id"])
        again = door.book(bob, show.pk, 3, key=key)
        assert (first.code, again.code, again.facts) == ("seat_taken", "seat_taken", {"seat_number": 3})
        assert again.headers["Idempotent-Replayed"] == "true"
        assert not Booking.objects.filter(user=bob).exists()

    def test_cancels_once_and_tells_it_again(self, door: Any, alice: User, show: Any, key: str) -> None:
        booking = door.book(alice, show.pk, 3).facts["id"]
        first, again = door.cancel(alice, booking, key=key), door.cancel(alice, booking, key=key)
        assert first.ok
        assert first.facts["status"] == "cancelled"
        assert (again.facts, again.headers["Idempotent-Replayed"]) == (first.facts, "true")
        assert door.cancel(alice, booking).code == "already_cancelled"

    @pytest.mark.parametrize("seats", [1, 5])
    def test_keeps_each_refusal(self, door: Any, alice: User, bob: User, movie: Any, key: str, seats: int) -> None:
        show = make_show(movie, seats=seats)
        door.book(alice, show.pk, 1)
        for number, (show_id, seat) in enumerate([(show.pk, 1), (show.pk, seats + 1), (show.pk + 1, 1)]):
            first = door.book(bob, show_id, seat, key=f"{key}-{number}")
            again = door.book(bob, show_id, seat, key=f"{key}-{number}")
            assert not first.ok
            assert (again.code, again.facts) == (first.code, first.facts)
            assert again.headers["Idempotent-Replayed"] == "true"
        begin(show)
        assert door.book(bob, show.pk, 2, key=f"{key}-late").code in ("show_started", "seat_out_of_range")

    def test_other_input_is_another_request(self, door: Any, alice: User, show: Any, key: str) -> None:
        booking = door.book(alice, show.pk, 3, key=key).facts["id"]
        for answer in (door.book(alice, show.pk, 4, key=key), door.cancel(alice, booking, key=key)):
            assert answer.code == "idempotency_key_reused"
            assert answer.status == (422 if door.name == "rest" else 200)
        assert Booking.objects.with_status("booked").count() == 1

    def test_is_ones_own(self, door: Any, alice: User, bob: User, show: Any, key: str) -> None:
        assert door.book(alice, show.pk, 3, key=key).ok
        assert door.book(bob, show.pk, 4, key=key).ok

    @pytest.mark.parametrize("bad", ["", " ", "a b", "é", "x" * 256, "tab\t"])
    def test_must_be_a_key(self, door: Any, alice: User, show: Any, bad: str) -> None:
        answer = door.book(alice, show.pk, 3, key=bad)
        assert answer.code == "idempotency_key_invalid"
        assert answer.status == (400 if door.name == "rest" else 200)
        assert not Booking.objects.exists()

    @pytest.mark.parametrize("good", ["!", "~" * 255])
    def test_may_be_any_visible_ascii(self, door: Any, alice: User, show: Any, good: str) -> None:
        assert door.book(alice, show.pk, 3, key=good).ok

    def test_replays_nothing_to_an_account_that_is_gone(self, door: Any, alice: User, show: Any, key: str) -> None:
        token = token_of(alice)
        door.book(token, show.pk, 3, key=key)
        User.objects.filter(pk=alice.pk).update(is_active=False)
        answer = door.book(token, show.pk, 3, key=key)
        assert (answer.code, answer.status) == ("token_not_valid", 401)

    def test_of_a_request_that_is_not_valid_is_not_spent(self, rest: Any, alice: User, show: Any, key: str) -> None:
        assert rest.book(alice, show.pk, "3", key=key).code == "invalid"
        assert rest.book(alice, show.pk, 3, key=key).ok

    def test_is_the_same_at_both(self, client: Any, alice: User, show: Any, key: str) -> None:
        first = RestDoor(client).book(alice, show.pk, 3, key=key)
        again = GraphQLDoor(client).book(alice, show.pk, 3, key=key)
        assert again.facts == first.facts
        assert again.headers["Idempotent-Replayed"] == "true"
        assert Booking.objects.count() == 1


class TestTime:
    def test_is_forgotten_after_24_hours(self, alice: User, show: Any, key: str) -> None:
        booking = book_seat(user=alice, show_id=show.pk, seat_number=3, idempotency_key=key)
        cancel_booking(user=alice, booking_id=booking.pk)
        IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(hours=24))
        again = book_seat(user=alice, show_id=show.pk, seat_number=3, idempotency_key=key)
        assert again.pk != booking.pk
        assert not again.replayed

    def test_is_kept_until_then(self, alice: User, show: Any, key: str) -> None:
        booking = book_seat(user=alice, show_id=show.pk, seat_number=3, idempotency_key=key)
        IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(hours=23, minutes=59))
        assert book_seat(user=alice, show_id=show.pk, seat_number=3, idempotency_key=key).pk == booking.pk

    def test_the_command_deletes_old_keys_alone(self, alice: User, show: Any) -> None:
        for number, age in enumerate([23, 25, 26], start=1):
            book_seat(user=alice, show_id=show.pk, seat_number=number, idempotency_key=f"key-{number}")
            IdempotencyKey.objects.filter(key=f"key-{number}").update(created_at=timezone.now() - timedelta(hours=age))
        call_command("forget_expired")
        assert [row.key for row in IdempotencyKey.objects.all()] == ["key-1"]
        assert delete_old_keys() == 0


def test_a_booking_without_a_key_is_two_statements(alice: User, show: Any, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(2):
        book_seat(user=alice, show_id=show.pk, seat_number=3)


@pytest.mark.django_db(transaction=True)
class TestOneTransaction:
    def test_a_crash_leaves_neither_key_nor_booking(
        self, alice: User, show: Any, key: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def crashing(*_: Any, **__: Any) -> None:
            raise RuntimeError("the process is killed")

        whole = domain.attach_show
        monkeypatch.setattr(domain, "attach_show", crashing)
        with pytest.raises(RuntimeError):
            book_seat(user=alice, show_id=show.pk, seat_number=3, idempotency_key=key)
        assert not Booking.objects.exists()
        assert not IdempotencyKey.objects.exists()
        monkeypatch.setattr(domain, "attach_show", whole)
        assert not book_seat(user=alice, show_id=show.pk, seat_number=3, idempotency_key=key).replayed

    @pytest.mark.parametrize("kept", [True, False], ids=["committed", "rolled back"])
    def test_a_connection_lost_while_committing_is_looked_up(
        self, alice: User, show: Any, key: str, monkeypatch: pytest.MonkeyPatch, kept: bool
    ) -> None:
        commits: list[int] = []
        commit = connection._commit

        def losing() -> Any:
            commits.append(1)
            if len(commits) > 1:
                return commit()
            if kept:
                commit()
            else:
                connection.connection.rollback()
            raise OperationalError("server closed the connection unexpectedly")

        monkeypatch.setattr(connection, "_commit", losing)
        booking = book_seat(user=alice, show_id=show.pk, seat_number=3, idempotency_key=key)
        assert booking.replayed is kept
        assert Booking.objects.get().pk == booking.pk

    def test_lost_connection__while_committing_without_a_key__is_outcome_unknown(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def losing() -> None:
            raise OperationalError("server closed the connection unexpectedly")

        monkeypatch.setattr(connection, "_commit", losing)
        with pytest.raises(OutcomeUnknown):
            durable_transaction(lambda: None)()

    def test_lost_connection__in_a_statement_that_commits_by_itself__is_outcome_unknown(self) -> None:
        with pytest.raises(OutcomeUnknown), outcome_unknown_if_lost():
            raise OperationalError("server closed the connection unexpectedly")


@pytest.mark.only("postgresql")
@pytest.mark.django_db(transaction=True)
class TestRaces:
    def test_of_many_at_once_one_books_and_the_others_are_told_the_same(self, alice: User, show: Any, key: str) -> None:
        outcomes = all_at_once(
            [lambda: book_seat(user=alice, show_id=show.pk, seat_number=3, idempotency_key=key) for _ in range(8)]
        )
        assert {outcome.pk for outcome in outcomes} == {Booking.objects.get().pk}
        assert [outcome.replayed for outcome in outcomes].count(False) == 1

    def test_the_second_waits_for_the_first(
        self, alice: User, show: Any, key: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def book() -> Any:
            return book_seat(user=alice, show_id=show.pk, seat_number=3, idempotency_key=key)

        first, second = run_into(book, book, module=domain, stop_after="attach_show", monkeypatch=monkeypatch)
        assert second.pk == first.pk
        assert (first.replayed, second.replayed) == (False, True)

    def test_the_second_does_it_where_the_first_comes_to_nothing(
        self, alice: User, show: Any, key: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def book() -> Any:
            return book_seat(user=alice, show_id=show.pk, seat_number=3, idempotency_key=key)

        _, second = run_into(book, book, module=domain, stop_after="attach_show", monkeypatch=monkeypatch, abort=True)
        assert not second.replayed
        assert Booking.objects.get().pk == second.pk

    def test_without_the_constraint_both_would_book(
        self, alice: User, show: Any, key: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The guard taken away: no key is ever found, so that the second request books a seat of its own."""
        monkeypatch.setattr(idempotency, "_claim_key", lambda *_: True)
        show_full = make_show(show.movie, seats=1)

        def book() -> Any:
            return book_seat(user=alice, show_id=show_full.pk, seat_number=1, idempotency_key=key)

        _, second = run_into(book, book, module=domain, stop_after="attach_show", monkeypatch=monkeypatch)
        assert isinstance(second, ShowFull)

    def test_in_progress_is_told_when_the_first_takes_too_long(
        self, rest: Any, alice: User, show: Any, key: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SHOW lock_timeout")
            patience = cursor.fetchone()[0]
        assert patience == "2s"
        slow, told = run_into(
            lambda: book_seat(user=alice, show_id=show.pk, seat_number=3, idempotency_key=key),
            lambda: rest.book(alice, show.pk, 3, key=key),
            module=domain,
            stop_after="attach_show",
            monkeypatch=monkeypatch,
            until_done=True,
        )
        assert isinstance(slow, Booking)
        assert (told.code, told.status) == ("idempotency_in_progress", 409)
        assert int(told.headers["Retry-After"]) >= 1

    def test_in_progress_is_a_refusal_of_its_own(
        self, alice: User, show: Any, key: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def book() -> Any:
            return book_seat(user=alice, show_id=show.pk, seat_number=3, idempotency_key=key)

        _, told = run_into(
            book, book, module=domain, stop_after="attach_show", monkeypatch=monkeypatch, until_done=True
        )
        assert isinstance(told, IdempotencyInProgress)
        assert book().replayed


def test_the_account_is_looked_at_with_the_deed(alice: User, show: Any) -> None:
    """The statement alone refuses an account that is deleted, deactivated or re-passworded, from that moment on."""
    bearer = bearer_of_access_token(token_of(alice))
    booking = book_seat(user=bearer, show_id=show.pk, seat_number=1)
    for change in ({"is_active": False}, {"is_active": True, "password": "another"}):
        User.objects.filter(pk=alice.pk).update(**change)
        with pytest.raises(AccountInactive):
            book_seat(user=bearer, show_id=show.pk, seat_number=2)
        with pytest.raises(AccountInactive):
            cancel_booking(user=bearer, booking_id=booking.pk)
    assert issubclass(AccountInactive, TokenNotValid)
    assert Booking.objects.with_status("booked").count() == 1


@pytest.mark.parametrize("change", [{"is_active": False}, {"password": "another"}, {}])
def test_take__account_changed_since_look__writes_nothing(alice: User, show: Any, change: dict[str, Any]) -> None:
    bearer = bearer_of_access_token(token_of(alice))
    if change:
        User.objects.filter(pk=alice.pk).update(**change)
    with pytest.raises(RaceLost) if change else nullcontext():
        take(user=bearer, show_id=show.pk, seat_numbers=[1])
    assert Booking.objects.count() == (0 if change else 1)
