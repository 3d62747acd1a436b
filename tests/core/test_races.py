"""Races for names, tokens and tries, on PostgreSQL, through real connections; next to each, the same race unguarded."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.db import OperationalError, connection

from catalog.models import Show
from core import accounts, throttling
from core.accounts import TokenPair, log_in, log_out, refresh, sign_up
from core.database import refusal_of
from core.errors import Busy, Invalid, LockNotAvailable, NoActiveAccount, Throttled, TokenNotValid
from core.models import RateLimitWindow, User
from reservations import booking
from reservations.booking import book_seat
from tests.conftest import PASSWORD
from tests.interleaving import Racer, all_at_once, run_into, without_index

pytestmark = [pytest.mark.only("postgresql"), pytest.mark.django_db(transaction=True)]

HERE = "198.51.100.7"


class TestSameNameSigningUp:
    def race(self) -> None:
        names = ["carol", "Carol", "CAROL", "cArol", "caRol", "carOl", "caroL", "CaRoL"]
        calls = [lambda name=name: sign_up(username=name, password=PASSWORD, address=HERE) for name in names]
        outcomes = all_at_once(calls)
        assert sum(isinstance(outcome, User) for outcome in outcomes) == 1
        refused = [outcome for outcome in outcomes if not isinstance(outcome, User)]
        assert all(isinstance(outcome, Invalid) and list(outcome.errors) == ["username"] for outcome in refused)
        assert User.objects.count() == 1

    def test_has_one_winner_and_tells_the_others_why(self) -> None:
        self.race()

    def test_is_lost_without_the_index(self) -> None:
        with without_index("username_is_unique_without_case"), pytest.raises(AssertionError, match="8 == 1"):
            self.race()


class TestSameTokenRefreshing:
    def race(self, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
        first, second = run_into(
            lambda: refresh(token=token, address=HERE),
            lambda: refresh(token=token, address=HERE),
            module=accounts,
            stop_after="_revoke",
            monkeypatch=monkeypatch,
        )
        assert isinstance(first, TokenPair)
        assert isinstance(second, TokenNotValid)

    @pytest.fixture
    def token(self, alice: User) -> str:
        return log_in(username="alice", password=PASSWORD, address=HERE).refresh

    def test_has_one_winner(self, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.race(token, monkeypatch)

    def test_is_lost_with_the_libraries_own_blacklisting(self, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(accounts, "_revoke", lambda token: token.blacklist())
        with pytest.raises(AssertionError, match=r"isinstance.TokenPair.*TokenNotValid"):
            self.race(token, monkeypatch)

    def test_has_one_winner_of_eight(self, token: str) -> None:
        outcomes = all_at_once([lambda: refresh(token=token, address=HERE)] * 8)
        assert sum(isinstance(outcome, TokenPair) for outcome in outcomes) == 1
        assert sum(isinstance(outcome, TokenNotValid) for outcome in outcomes) == 7

    def test_a_logout_spends_it_for_a_refresh_at_the_same_moment(
        self, token: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        left, refreshed = run_into(
            lambda: log_out(token=token),
            lambda: refresh(token=token, address=HERE),
            module=accounts,
            stop_after="_revoke",
            monkeypatch=monkeypatch,
        )
        assert left is None
        assert isinstance(refreshed, TokenNotValid)


@pytest.mark.parametrize("verb", ["log_in", "refresh", "book_seat"])
def test_an_account_deleted_at_the_same_moment_is_no_fault(
    alice: User, verb: str, monkeypatch: pytest.MonkeyPatch, show: Show
) -> None:
    """The row goes before the foreign key is looked at, which is at COMMIT."""
    token = log_in(username="alice", password=PASSWORD, address=HERE).refresh
    calls: dict[str, Any] = {
        "log_in": (lambda: log_in(username="alice", password=PASSWORD, address=HERE), accounts, "authenticate"),
        "refresh": (lambda: refresh(token=token, address=HERE), accounts, "_revoke"),
        "book_seat": (lambda: book_seat(user=alice, show_id=show.pk, seat_number=1), booking, "_clock"),
    }
    call, module, stop_after = calls[verb]
    if verb == "book_seat":
        User.objects.all().delete()
        outcome = Racer(call).finish()
    else:
        outcome, _ = run_into(
            call, User.objects.all().delete, module=module, stop_after=stop_after, monkeypatch=monkeypatch
        )
    assert isinstance(outcome, NoActiveAccount | TokenNotValid)


class TestMissingLocks:
    """The server tries a request again when a lock is missing; one that was counted would be counted again."""

    @pytest.fixture(autouse=True)
    def short_lock_timeout(self) -> Iterator[None]:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '50ms'")
        yield
        connection.close()

    @pytest.mark.parametrize(
        ("verb", "table", "refusal", "counted"),
        [
            ("signup", "core_tries", LockNotAvailable, 0),
            ("signup", User._meta.db_table, Busy, 1),
            ("login", "token_blacklist_outstandingtoken", Busy, 1),
            ("refresh", "token_blacklist_outstandingtoken", Busy, 1),
        ],
    )
    def test_after_the_count_are_not_for_another_attempt(
        self, alice: User, verb: str, table: str, refusal: type[Busy], counted: int
    ) -> None:
        token = log_in(username="alice", password=PASSWORD, address=HERE).refresh
        RateLimitWindow.objects.all().delete()
        calls: dict[str, Any] = {
            "signup": lambda: sign_up(username="bob", password=PASSWORD, address=HERE),
            "login": lambda: log_in(username="alice", password=PASSWORD, address=HERE),
            "refresh": lambda: refresh(token=token, address=HERE),
        }
        rival: Any = connection.copy()
        with rival.cursor() as cursor:
            rival.set_autocommit(False)
            cursor.execute(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")
            with pytest.raises((Busy, OperationalError)) as raised:
                calls[verb]()
        rival.close()
        error = raised.value
        assert type(error if isinstance(error, Busy) else refusal_of(error)) is refusal
        counts = RateLimitWindow.objects.filter(key__startswith=f"{verb}:").values_list("count", flat=True)
        assert sum(counts) == counted


class TestTries:
    def race(self, settings: Any) -> None:
        settings.THROTTLES = {**settings.THROTTLES, "login": (5, 60)}
        outcomes = all_at_once([lambda: throttling.consume("login", HERE)] * 20)
        assert outcomes.count(None) == 5
        assert sum(isinstance(outcome, Throttled) for outcome in outcomes) == 15

    def test_are_all_counted(self, settings: Any) -> None:
        self.race(settings)

    def test_are_lost_when_they_are_read_and_then_written(self, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        def careless(budget: str, key: str) -> None:
            counted = RateLimitWindow.objects.filter(key=key).values_list("count", flat=True).first() or 0
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_sleep(0.1)")  # whatever else a request does
            with suppress(Exception):
                RateLimitWindow.objects.update_or_create(key=key, defaults={"count": counted + 1, "until": 1e12})
            if counted >= settings.THROTTLES[budget][0]:
                raise Throttled(retry_after=1)

        monkeypatch.setattr(throttling, "consume", careless)
        with pytest.raises(AssertionError, match="20 == 5"):
            self.race(settings)
