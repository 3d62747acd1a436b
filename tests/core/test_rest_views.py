"""What the base of every REST view does beside the contract: it counts outcomes, and marks refusals for the server."""

import logging
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from catalog.models import Show
from core.errors import Busy, LockNotAvailable
from core.middleware import RequestLogMiddleware
from core.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
    calls: list[tuple[str, str, str]] = []
    monkeypatch.setattr("core.observability.metrics.count_operation", lambda *labels: calls.append(labels))
    return calls


class TestOutcomes:
    def test_are_counted_as_done_replayed_or_the_code_of_a_refusal(
        self, rest: Any, alice: User, show: Show, counted: list[Any]
    ) -> None:
        for _ in range(2):
            rest.book(alice, show.pk, 1, key="k")
        rest.book(alice, show.pk, 1)
        rest.book_several(alice, show.pk, seat_numbers=[2, 3])
        rest.book(alice, show.pk, "1")
        assert counted == [
            ("book", "done", "rest"),
            ("book", "replayed", "rest"),
            ("book", "seat_taken", "rest"),
            ("book_seats", "done", "rest"),
            ("book", "invalid", "rest"),
        ]

    def test_are_not_counted_before_permissions__nor_of_reads(self, rest: Any, show: Show, counted: list[Any]) -> None:
        rest.book(None, show.pk, 1)
        rest.send("GET", f"/shows/{show.pk}/book/")
        rest.send("GET", "/movies/")
        assert counted == []

    def test_are_not_counted_while_the_server_retries(
        self, rest: Any, alice: User, show: Show, counted: list[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def busy(**_: Any) -> None:
            raise LockNotAvailable

        monkeypatch.setattr("reservations.api.bookings.book_seat", busy)
        response = rest.send("POST", f"/shows/{show.pk}/book/", {"seat_number": 1}, alice)
        assert (response.status_code, response.json()["code"]) == (503, "busy")
        assert isinstance(response.refusal, LockNotAvailable)
        assert counted == []


@pytest.mark.parametrize(("refusal", "level"), [(None, logging.INFO), (Busy(), logging.INFO), (LockNotAvailable(), 10)])
def test_request_log__missed_lock__is_debug(refusal: Any, level: int, caplog: pytest.LogCaptureFixture) -> None:
    def answer(request: Any) -> HttpResponse:
        response = HttpResponse()
        response.refusal = refusal  # type: ignore[attr-defined]
        return response

    caplog.set_level(logging.DEBUG)
    RequestLogMiddleware(answer)(RequestFactory().get("/livez"))
    assert [record.levelno for record in caplog.records] == [level]
