"""The admin: staff find their way, and no path through it breaks a rule or ends in a 500."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.contrib.messages import get_messages
from django.db import IntegrityError, OperationalError
from django.test import Client
from django.utils import timezone

from catalog.models import Movie, Show
from core.errors import Busy, LockNotAvailable
from core.models import User
from reservations.booking import book_seat, cancel_booking
from reservations.holds import confirm_hold, hold_seats, release_hold
from reservations.models import BlockedSeat, Booking, Claim, Hold
from reservations.seat_map import seat_map
from reservations.staff import block_seats, unblock_seat
from tests.conftest import PASSWORD, begin, make_show

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(sam: User) -> Client:
    client = Client()
    assert client.login(username="SAM", password=PASSWORD)
    return client


def show_form(**changes: Any) -> dict[str, Any]:
    return {
        "movie": changes.pop("movie"),
        "screen_name": "Aurora",
        "date_time_0": "2030-12-24",
        "date_time_1": "18:30:00",
        "total_seats": 5,
        **changes,
    }


def seats_of(show: Show) -> dict[int, str]:
    """Tell what stands on the seats of a show."""
    return dict(Claim.objects.filter(show=show, status__in=Claim.LIVE).values_list("seat_number", "status"))


def run_out() -> None:
    """Let every hold have run out a moment ago."""
    Claim.objects.filter(status="held").update(expires_at=timezone.now() - timedelta(seconds=1))


def told(response: Any) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


class TestLists:
    def test_of_films_can_be_searched(self, admin: Client, movie: Movie) -> None:
        Movie.objects.create(title="Brazil", duration_minutes=136)
        page = admin.get("/admin/catalog/movie/?q=third").content.decode()
        assert "The Third Man" in page
        assert "Brazil" not in page

    def test_of_shows_tell_what_is_sold(self, admin: Client, alice: User, show: Show) -> None:
        for seat in (1, 2):
            book_seat(user=alice, show_id=show.pk, seat_number=seat)
        page = admin.get("/admin/catalog/show/").content.decode()
        assert '<td class="field-sold">2</td>' in page
        assert '<td class="field-available">3</td>' in page
        assert admin.get("/admin/catalog/show/?o=-6").status_code == 200

    def test_of_shows_count_neither_held_nor_blocked_seats_as_sold(
        self, admin: Client, alice: User, show: Show
    ) -> None:
        book_seat(user=alice, show_id=show.pk, seat_number=1)
        hold_seats(user=alice, show_id=show.pk, seat_numbers=[2])
        block_seats(show_id=show.pk, seat_numbers=[3], reason="Broken chair")
        page = admin.get("/admin/catalog/show/").content.decode()
        assert '<td class="field-sold">1</td>' in page
        assert '<td class="field-available">2</td>' in page
        assert f'<a href="/shows/{show.pk}/picker/">' in page

    def test_of_shows_take_as_many_statements_for_many(
        self, admin: Client, movie: Movie, django_assert_max_num_queries: Any
    ) -> None:
        for _ in range(20):
            make_show(movie)
        with django_assert_max_num_queries(12):
            admin.get("/admin/catalog/show/")

    def test_of_bookings_are_found_by_user_and_show(self, admin: Client, alice: User, bob: User, show: Show) -> None:
        book_seat(user=alice, show_id=show.pk, seat_number=1)
        book_seat(user=bob, show_id=show.pk, seat_number=2)
        page = admin.get("/admin/reservations/booking/?q=alice&status__exact=booked").content.decode()
        assert "1 booking" in page

    def test_of_bookings_filter_by_statuses_of_bookings(self, admin: Client, alice: User, show: Show) -> None:
        book_seat(user=alice, show_id=show.pk, seat_number=1)
        page = admin.get("/admin/reservations/booking/?status__exact=cancelled").content.decode()
        assert "0 bookings" in page
        assert "status__exact=booked" in page
        assert "status__exact=held" not in page

    @pytest.mark.parametrize(
        "model",
        [
            *("catalog/movie", "catalog/show", "reservations/booking", "reservations/hold"),
            *("reservations/blockedseat", "core/user"),
        ],
    )
    @pytest.mark.parametrize(
        "query",
        ["q=%00", "q=%ff", "id__exact=x", "p=99", "p=x", "o=99", "date_time__year=x", "created_at__month=99", "e=1"],
    )
    def test_survive_any_query(self, admin: Client, alice: User, show: Show, model: str, query: str) -> None:
        hold_seats(user=alice, show_id=show.pk, seat_numbers=[2])
        block_seats(show_id=show.pk, seat_numbers=[3], reason="Broken chair")
        assert admin.get(f"/admin/{model}/?{query}").status_code in (200, 302)

    @pytest.mark.parametrize("number", ["x", "0", str(2**63), "9" * 40])
    @pytest.mark.parametrize("page", ["change", "delete", "history"])
    def test_lead_home_from_what_is_not_there(self, admin: Client, number: str, page: str) -> None:
        for model in ("catalog/movie", "catalog/show", "core/user", "reservations/blockedseat"):
            assert admin.get(f"/admin/{model}/{number}/{page}/").status_code == 302


class TestShows:
    def url(self, show: Show, page: str = "change") -> str:
        return f"/admin/catalog/show/{show.pk}/{page}/"

    def test_are_added_and_changed(self, admin: Client, movie: Movie) -> None:
        assert admin.post("/admin/catalog/show/add/", show_form(movie=movie.pk)).status_code == 302
        show = Show.objects.get()
        assert show.date_time == datetime(2030, 12, 24, 18, 30, tzinfo=UTC)
        assert admin.post(self.url(show), show_form(movie=movie.pk, total_seats=9)).status_code == 302
        assert Show.objects.get().total_seats == 9

    def test_are_not_shrunk_below_a_booked_seat(self, admin: Client, alice: User, show: Show) -> None:
        booking = book_seat(user=alice, show_id=show.pk, seat_number=4)
        response = admin.post(self.url(show), show_form(movie=show.movie_id, total_seats=3))
        assert response.status_code == 200
        assert response.context["adminform"].errors["total_seats"] == [
            "Seat 4 is booked or held: the show can't have fewer seats."
        ]
        assert Show.objects.get().total_seats == 5
        cancel_booking(user=alice, booking_id=booking.pk)
        assert admin.post(self.url(show), show_form(movie=show.movie_id, total_seats=3)).status_code == 302

    def test_are_not_shrunk_below_a_held_seat(self, admin: Client, alice: User, show: Show) -> None:
        hold_seats(user=alice, show_id=show.pk, seat_numbers=[4])
        response = admin.post(self.url(show), show_form(movie=show.movie_id, total_seats=3))
        assert response.context["adminform"].errors["total_seats"] == [
            "Seat 4 is booked or held: the show can't have fewer seats."
        ]
        run_out()
        assert admin.post(self.url(show), show_form(movie=show.movie_id, total_seats=3)).status_code == 302
        assert seats_of(show) == {}

    def test_lose_blocked_seats_when_they_shrink(self, admin: Client, show: Show) -> None:
        block_seats(show_id=show.pk, seat_numbers=[2, 5], reason="Broken chair")
        assert admin.post(self.url(show), show_form(movie=show.movie_id, total_seats=3)).status_code == 302
        assert seats_of(show) == {2: "blocked"}

    def test_have_ten_seats_a_row_or_as_many_as_staff_say(self, admin: Client, movie: Movie) -> None:
        admin.post("/admin/catalog/show/add/", show_form(movie=movie.pk))
        show = Show.objects.get()
        assert show.seats_per_row == 10
        for given, expected in (("7", 7), ("", 7), (None, 7), ("100", 100), ("1", 1)):
            form = show_form(movie=movie.pk) | ({} if given is None else {"seats_per_row": given})
            assert admin.post(self.url(show), form).status_code == 302
            show.refresh_from_db()
            assert show.seats_per_row == expected

    def test_that_begin_earlier_shorten_their_holds(self, admin: Client, alice: User, show: Show) -> None:
        hold_seats(user=alice, show_id=show.pk, seat_numbers=[4])
        begins = (timezone.now() + timedelta(seconds=90)).replace(microsecond=0)
        times = {"date_time_0": f"{begins:%Y-%m-%d}", "date_time_1": f"{begins:%H:%M:%S}"}
        assert admin.post(self.url(show), show_form(movie=show.movie_id, **times)).status_code == 302
        assert Claim.objects.get().expires_at == begins

    @pytest.mark.parametrize(
        "changes",
        [
            *({"total_seats": seats} for seats in (0, 10_001, "x")),
            *({"seats_per_row": seats} for seats in (0, 101, -1, "x", "1.5", "9" * 30)),
            *({"date_time_0": "soon"}, {"screen_name": ""}, {"screen_name": "a\0b"}),
        ],
    )
    def test_refuse_bad_input_in_the_form(self, admin: Client, show: Show, changes: dict[str, Any]) -> None:
        response = admin.post(self.url(show), show_form(**{"movie": show.movie_id, **changes}))
        assert response.status_code == 200
        assert response.context["adminform"].errors

    def test_with_bookings_are_not_deleted(self, admin: Client, alice: User, show: Show) -> None:
        cancel_booking(user=alice, booking_id=book_seat(user=alice, show_id=show.pk, seat_number=4).pk)
        response = admin.post(self.url(show, "delete"), {"post": "yes"})
        assert response.status_code == 200
        page = response.content.decode()
        assert "Cannot delete show" in page
        assert "Seat 4, The Third Man" in page
        assert "permission" not in page
        assert Show.objects.exists()

    def test_without_bookings_are_deleted(self, admin: Client, show: Show) -> None:
        assert admin.post(self.url(show, "delete"), {"post": "yes"}).status_code == 302
        assert not Show.objects.exists()

    def test_on_which_somebody_holds_a_seat_are_not_deleted(self, admin: Client, alice: User, show: Show) -> None:
        hold_seats(user=alice, show_id=show.pk, seat_numbers=[4])
        response = admin.post(self.url(show, "delete"), {"post": "yes"})
        assert response.status_code == 200
        assert "Cannot delete show" in response.content.decode()
        assert Show.objects.exists()
        run_out()
        assert admin.post(self.url(show, "delete"), {"post": "yes"}).status_code == 302
        assert not Show.objects.exists()

    def test_with_blocked_seats_and_history_alone_are_deleted(self, admin: Client, alice: User, show: Show) -> None:
        block_seats(show_id=show.pk, seat_numbers=[2, 5], reason="Broken chair")
        unblock_seat(show_id=show.pk, seat_number=2)
        release_hold(user=alice, hold_id=hold_seats(user=alice, show_id=show.pk, seat_numbers=[1]).pk)
        page = admin.get(self.url(show, "delete")).content.decode()
        assert "permission" not in page
        assert admin.post(self.url(show, "delete"), {"post": "yes"}).status_code == 302
        assert not Show.objects.exists()
        assert not Claim.objects.exists()

    def test_booked_while_they_are_deleted_stay(
        self, admin: Client, alice: User, show: Show, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def book_and_lock(*, show_id: int) -> Show:
            Booking.objects.create(user=alice, show=show, seat_number=1, created_at=show.date_time)
            return show

        monkeypatch.setattr("reservations.staff.lock_show", book_and_lock)
        response = admin.post(self.url(show, "delete"), {"post": "yes"})
        assert response.status_code == 302
        assert "something else changed at the same moment" in told(response)
        assert Show.objects.exists()

    def test_deleted_while_they_are_changed_are_a_form_error(
        self, admin: Client, show: Show, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from core.errors import NotFound

        def gone(**_: Any) -> None:
            raise NotFound

        monkeypatch.setattr("reservations.staff.lock_show", gone)
        response = admin.post(self.url(show), show_form(movie=show.movie_id))
        assert response.context["adminform"].errors["total_seats"] == ["Not found."]

    def test_are_not_deleted_in_bulk(self, admin: Client, show: Show) -> None:
        data = {"action": "delete_selected", "_selected_action": [show.pk], "post": "yes"}
        admin.post("/admin/catalog/show/", data)
        assert Show.objects.exists()

    @pytest.mark.parametrize("cause", [None, psycopg.errors.LockNotAvailable()])
    def test_that_are_busy_are_told_so(
        self, admin: Client, show: Show, monkeypatch: pytest.MonkeyPatch, cause: Exception | None
    ) -> None:
        def locked(**_: Any) -> None:
            raise OperationalError("database is locked") from cause

        monkeypatch.setattr("reservations.staff.lock_show", locked)
        response = admin.post(self.url(show), show_form(movie=show.movie_id))
        assert (response.status_code, response["Retry-After"]) == (503, "1")
        assert isinstance(response.refusal, LockNotAvailable if cause else Busy)  # the server tries the first again


class TestFilms:
    def test_with_bookings_are_not_deleted(self, admin: Client, alice: User, show: Show) -> None:
        book_seat(user=alice, show_id=show.pk, seat_number=4)
        response = admin.post(f"/admin/catalog/movie/{show.movie_id}/delete/", {"post": "yes"})
        assert response.status_code == 200
        assert Movie.objects.exists()

    def test_without_bookings_are_deleted_with_their_shows(self, admin: Client, show: Show) -> None:
        assert admin.post(f"/admin/catalog/movie/{show.movie_id}/delete/", {"post": "yes"}).status_code == 302
        assert not Show.objects.exists()

    def test_are_deleted_with_blocked_seats_and_released_holds(self, admin: Client, alice: User, show: Show) -> None:
        block_seats(show_id=show.pk, seat_numbers=[2, 5], reason="Broken chair")
        release_hold(user=alice, hold_id=hold_seats(user=alice, show_id=show.pk, seat_numbers=[1]).pk)
        assert admin.post(f"/admin/catalog/movie/{show.movie_id}/delete/", {"post": "yes"}).status_code == 302
        assert not Movie.objects.exists()

    def test_with_a_held_seat_are_not_deleted(self, admin: Client, alice: User, show: Show) -> None:
        hold_seats(user=alice, show_id=show.pk, seat_numbers=[1])
        assert admin.post(f"/admin/catalog/movie/{show.movie_id}/delete/", {"post": "yes"}).status_code == 200
        assert Movie.objects.exists()


class TestBlockedSeats:
    LIST = "/admin/reservations/blockedseat/"

    def add(self, admin: Client, show: Show, seats: str, reason: str = "Broken chair") -> Any:
        return admin.post(f"{self.LIST}add/", {"show": show.pk, "seats": seats, "reason": reason})

    @pytest.mark.parametrize(
        ("seats", "numbers"),
        [
            ("3", [3]),
            ("1-4, 9", [1, 2, 3, 4, 9]),
            (" 9 ,1 - 2,2", [1, 2, 9]),
            ("1–3", [1, 2, 3]),
            ("12-12", [12]),
        ],
    )
    def test_are_blocked_several_at_once(self, admin: Client, movie: Movie, seats: str, numbers: list[int]) -> None:
        show = make_show(movie, seats=12)
        assert self.add(admin, show, seats).status_code == 302
        blocked = BlockedSeat.objects.all()
        assert [(seat.seat_number, seat.reason) for seat in blocked] == [(number, "Broken chair") for number in numbers]
        page = admin.get(self.LIST).content.decode()
        assert f"{len(numbers)} blocked seat" in page
        assert all(f'<td class="field-label">{seat.label}</td>' in page for seat in blocked)

    @pytest.mark.parametrize(
        "seats",
        ["", " ", "x", "1-", "-1", "1,,2", "1;2", "4-1", "1-200", "1.5", "٣", "\0", "1-2-3", "9" * 600, "123456"],
    )
    def test_that_cannot_be_read_are_a_form_error(self, admin: Client, show: Show, seats: str) -> None:
        response = self.add(admin, show, seats)
        assert response.status_code == 200
        assert list(response.context["adminform"].errors) == ["seats"]
        assert seats_of(show) == {}

    @pytest.mark.parametrize("reason", ["", " ", "x" * 201, "a\0b"])
    def test_need_a_reason(self, admin: Client, show: Show, reason: str) -> None:
        response = self.add(admin, show, "1", reason)
        assert list(response.context["adminform"].errors) == ["reason"]
        assert seats_of(show) == {}

    def test_that_are_in_use_are_a_form_error_that_names_them(self, admin: Client, alice: User, show: Show) -> None:
        book_seat(user=alice, show_id=show.pk, seat_number=1)
        hold_seats(user=alice, show_id=show.pk, seat_numbers=[3])
        block_seats(show_id=show.pk, seat_numbers=[4], reason="House seat")
        response = self.add(admin, show, "1-5")
        assert response.context["adminform"].errors["seats"] == ["Booked, held or not for sale: 1, 3, 4."]
        for seats in ("0", "6", "5-6", "99999"):
            response = self.add(admin, show, seats)
            assert response.context["adminform"].errors["seats"] == ["Seats are numbered 1 to 5."]
        assert seats_of(show) == {1: "booked", 3: "held", 4: "blocked"}

    def test_of_no_show_are_a_form_error(self, admin: Client, show: Show) -> None:
        for number in (show.pk + 1, "x", "9" * 30, ""):
            response = admin.post(f"{self.LIST}add/", {"show": number, "seats": "1", "reason": "x"})
            assert response.status_code in (200, 302)
        assert seats_of(show) == {}

    def test_are_put_on_sale_by_being_deleted(self, admin: Client, alice: User, show: Show) -> None:
        (seat,) = block_seats(show_id=show.pk, seat_numbers=[2], reason="House seat")
        assert "permission" not in admin.get(f"{self.LIST}{seat.pk}/delete/").content.decode()
        assert admin.post(f"{self.LIST}{seat.pk}/delete/", {"post": "yes"}).status_code == 302
        assert seats_of(show) == {}
        assert Claim.objects.get().status == "freed"
        assert book_seat(user=alice, show_id=show.pk, seat_number=2).seat_number == 2
        assert admin.post(f"{self.LIST}{seat.pk}/delete/", {"post": "yes"}).status_code == 302

    def test_are_not_changed(self, admin: Client, show: Show) -> None:
        (seat,) = block_seats(show_id=show.pk, seat_numbers=[2], reason="House seat")
        assert admin.get(f"{self.LIST}{seat.pk}/change/").status_code == 200
        data = {"show": show.pk, "seats": "3", "reason": "x"}
        assert admin.post(f"{self.LIST}{seat.pk}/change/", data).status_code == 403
        assert seats_of(show) == {2: "blocked"}

    def test_are_found_by_film_and_reason(self, admin: Client, show: Show) -> None:
        block_seats(show_id=show.pk, seat_numbers=[2], reason="House seat")
        block_seats(show_id=show.pk, seat_numbers=[3], reason="Broken chair")
        assert "1 blocked seat" in admin.get(f"{self.LIST}?q=house").content.decode()
        assert "2 blocked seats" in admin.get(f"{self.LIST}?q=third").content.decode()

    def test_are_no_bookings(self, admin: Client, alice: User, show: Show) -> None:
        (seat,) = block_seats(show_id=show.pk, seat_numbers=[2], reason="House seat")
        hold_seats(user=alice, show_id=show.pk, seat_numbers=[3])
        assert "0 bookings" in admin.get("/admin/reservations/booking/").content.decode()
        assert admin.get(f"/admin/reservations/booking/{seat.pk}/change/").status_code == 302


class TestHolds:
    LIST = "/admin/reservations/hold/"

    def release(self, admin: Client, *holds: Hold) -> str:
        data = {"action": "release", "_selected_action": [hold.pk for hold in holds]}
        response = admin.post(self.LIST, data)
        assert response.status_code == 302
        return told(response)

    def test_released_in_part__is_not_tried_again(
        self, admin: Client, alice: User, show: Show, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A response with a refusal would be, by the server."""
        holds = [hold_seats(user=alice, show_id=show.pk, seat_numbers=[seat]) for seat in (2, 3)]

        def locked(*, hold_id: int, **_: Any) -> None:
            if hold_id == holds[1].pk:
                raise LockNotAvailable

        monkeypatch.setattr("reservations.admin.release_hold", locked)
        response = admin.post(self.LIST, {"action": "release", "_selected_action": [hold.pk for hold in holds]})
        assert response.status_code == 302
        assert not hasattr(response, "refusal")

    def test_are_listed_with_their_end(self, admin: Client, alice: User, bob: User, show: Show) -> None:
        hold_seats(user=alice, show_id=show.pk, seat_numbers=[2, 3])
        hold_seats(user=bob, show_id=show.pk, seat_numbers=[4])
        page = admin.get(f"{self.LIST}?q=alice&o=6").content.decode()
        assert "1 hold" in page
        assert '<td class="field-size">2</td>' in page
        assert '<td class="field-expires nowrap">' in page
        assert '<td class="field-expires">-</td>' not in page

    def test_take_as_many_statements_for_many(
        self, admin: Client, alice: User, movie: Movie, django_assert_max_num_queries: Any
    ) -> None:
        for _ in range(20):
            hold_seats(user=alice, show_id=make_show(movie).pk, seat_numbers=[1])
        with django_assert_max_num_queries(12):
            admin.get(self.LIST)

    def test_are_released_through_the_domain(self, admin: Client, alice: User, bob: User, show: Show) -> None:
        hold = hold_seats(user=alice, show_id=show.pk, seat_numbers=[2, 3])
        assert "released" in self.release(admin, hold)
        assert seats_of(show) == {}
        assert "Not found" in self.release(admin, hold)
        assert book_seat(user=bob, show_id=show.pk, seat_number=2).seat_number == 2

    def test_are_released_one_by_one(self, admin: Client, alice: User, bob: User, show: Show) -> None:
        first = hold_seats(user=alice, show_id=show.pk, seat_numbers=[1])
        second = hold_seats(user=alice, show_id=show.pk, seat_numbers=[2])
        third = hold_seats(user=bob, show_id=show.pk, seat_numbers=[3])
        confirm_hold(user=alice, hold_id=first.pk)
        Claim.objects.filter(hold=second.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
        message = self.release(admin, first, second, third)
        assert "The hold was confirmed" in message
        assert "The hold has run out" in message
        assert "released" in message
        assert seats_of(show) == {1: "booked", 2: "held"}

    def test_can_only_be_looked_at(self, admin: Client, alice: User, show: Show) -> None:
        hold = hold_seats(user=alice, show_id=show.pk, seat_numbers=[1])
        page = f"{self.LIST}{hold.pk}/"
        assert admin.get(f"{page}change/").status_code == 200
        assert admin.post(f"{page}change/", {"size": 5}).status_code == 403
        assert admin.post(f"{page}delete/", {"post": "yes"}).status_code == 403
        assert admin.get(f"{self.LIST}add/").status_code == 403
        assert Hold.objects.get() == hold


@pytest.mark.django_db(transaction=True)
def test_what_the_admin_does_is_seen_on_the_seat_map(admin: Client, alice: User, show: Show) -> None:
    hold = hold_seats(user=alice, show_id=show.pk, seat_numbers=[1])
    booking = book_seat(user=alice, show_id=show.pk, seat_number=2)
    block = {"show": show.pk, "seats": "4-5", "reason": "Broken chair"}
    release = {"action": "release", "_selected_action": [hold.pk]}
    cancel = {"action": "cancel", "_selected_action": [booking.pk]}
    for address, form, changed in (
        ("/admin/reservations/blockedseat/add/", block, {4, 5}),
        ("/admin/reservations/hold/", release, {1}),
        ("/admin/reservations/booking/", cancel, {2}),
        (f"/admin/catalog/show/{show.pk}/change/", show_form(movie=show.movie_id, seats_per_row=3), None),
        ("/admin/reservations/blockedseat/{}/delete/", {"post": "yes"}, {4}),
    ):
        before = seat_map(show_id=show.pk).version
        blocked = BlockedSeat.objects.first()
        assert admin.post(address.format(blocked and blocked.pk), form).status_code == 302
        seen = seat_map(show_id=show.pk, since=before)
        assert seen.version != before
        assert seen.changed == changed


class TestBookings:
    def cancel(self, admin: Client, *bookings: Booking) -> str:
        data = {"action": "cancel", "_selected_action": [booking.pk for booking in bookings]}
        response = admin.post("/admin/reservations/booking/", data)
        assert response.status_code == 302
        return told(response)

    def test_are_cancelled_through_the_domain(self, admin: Client, alice: User, show: Show) -> None:
        booking = book_seat(user=alice, show_id=show.pk, seat_number=4)
        assert "cancelled" in self.cancel(admin, booking)
        booking.refresh_from_db()
        assert (booking.status, booking.cancelled_at is None) == ("cancelled", False)
        assert "already cancelled" in self.cancel(admin, booking)

    def test_of_a_show_that_has_begun_stay(self, admin: Client, alice: User, show: Show) -> None:
        booking = book_seat(user=alice, show_id=show.pk, seat_number=4)
        begin(show)
        assert "The show has begun" in self.cancel(admin, booking)
        assert Booking.objects.get().status == "booked"

    def test_can_only_be_looked_at(self, admin: Client, alice: User, show: Show) -> None:
        booking = book_seat(user=alice, show_id=show.pk, seat_number=4)
        page = f"/admin/reservations/booking/{booking.pk}/"
        assert admin.get(f"{page}change/").status_code == 200
        assert admin.post(f"{page}change/", {"seat_number": 5, "status": "cancelled"}).status_code == 403
        assert admin.post(f"{page}delete/", {"post": "yes"}).status_code == 403
        assert admin.get("/admin/reservations/booking/add/").status_code == 403
        assert Booking.objects.get().seat_number == 4


class TestAccounts:
    def test_with_bookings_are_not_deleted(self, admin: Client, alice: User, show: Show) -> None:
        book_seat(user=alice, show_id=show.pk, seat_number=4)
        assert admin.post(f"/admin/core/user/{alice.pk}/delete/", {"post": "yes"}).status_code == 200
        assert User.objects.filter(pk=alice.pk).exists()

    def test_with_holds_alone_are_deleted_with_them(self, admin: Client, alice: User, show: Show) -> None:
        release_hold(user=alice, hold_id=hold_seats(user=alice, show_id=show.pk, seat_numbers=[1]).pk)
        hold_seats(user=alice, show_id=show.pk, seat_numbers=[2])
        assert admin.post(f"/admin/core/user/{alice.pk}/delete/", {"post": "yes"}).status_code == 302
        assert not User.objects.filter(pk=alice.pk).exists()
        assert seats_of(show) == {}

    def test_a_name_taken_in_another_case_is_a_form_error(self, admin: Client, alice: User) -> None:
        data = {"username": "ALICE", "password1": PASSWORD, "password2": PASSWORD, "usable_password": "true"}
        response = admin.post("/admin/core/user/add/", data)
        assert response.status_code == 200
        assert "already exists" in response.content.decode()

    def test_a_name_taken_at_the_same_moment_is_a_message(self, admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        def taken(*_: Any, **__: Any) -> None:
            raise IntegrityError("UNIQUE constraint failed")

        monkeypatch.setattr("core.models.User.save", taken)
        data = {"username": "carol", "password1": PASSWORD, "password2": PASSWORD, "usable_password": "true"}
        response = admin.post("/admin/core/user/add/", data)
        assert response.status_code == 302
        assert "something else changed at the same moment" in told(response)


def test_only_staff_come_in(client: Client, alice: User) -> None:
    client.force_login(alice)
    assert client.get("/admin/catalog/show/").status_code == 302
    assert client.get("/admin").status_code == 302


def test_nobody_reads_refresh_tokens(admin: Client) -> None:
    assert admin.get("/admin/token_blacklist/outstandingtoken/").status_code == 404
    assert "oken" not in admin.get("/admin/").content.decode().replace("csrfmiddlewaretoken", "")


class TestManners:
    @pytest.mark.parametrize(
        "address",
        [
            f"/admin/catalog/show/?date_time__year={'9' * 20}",
            "/admin/catalog/show/?date_time__year=9999&date_time__month=12&date_time__day=31",
            "/admin/catalog/show/?screen_name=%00",
            "/admin/catalog/show/?date_time__gte=0001-01-01T00:00:00%2B14:00",
            "/admin/catalog/movie/?id__in=99999999999999999999",
            "/admin/catalog/movie/?title__contains=%00",
            "/admin/reservations/booking/?status__exact=%00",
            "/admin/reservations/hold/?created_at__year=99999",
            "/admin/reservations/blockedseat/?show__screen_name=%00",
            "/admin/autocomplete/?app_label=reservations&model_name=blockedseat&field_name=show&term=%00",
            "/admin/autocomplete/?app_label=catalog&model_name=show&field_name=movie&term=%00",
        ],
    )
    def test_an_address_that_no_page_has_made_is_no_fault(self, admin: Client, show: Show, address: str) -> None:
        assert admin.get(address).status_code in (200, 302)

    @pytest.mark.parametrize("number", ["x", "9" * 30, "\0"])
    def test_a_form_that_no_page_has_made_is_no_fault(self, admin: Client, sam: User, show: Show, number: str) -> None:
        action = {"action": "cancel", "_selected_action": [number]}
        assert admin.post("/admin/reservations/booking/", action).status_code == 302
        assert admin.post("/admin/catalog/show/add/", show_form(movie=number)).status_code in (200, 302)
        account = {"username": "sam", "groups": [number], "user_permissions": [number]}
        assert admin.post(f"/admin/core/user/{sam.pk}/change/", account).status_code in (200, 302)
        assert Show.objects.get() == show

    def test_a_film_deleted_while_it_is_changed_does_not_come_back(
        self, admin: Client, movie: Movie, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        save = Movie.save

        def delete_and_save(self: Movie, **options: Any) -> None:
            Movie.objects.all().delete()
            save(self, **options)

        monkeypatch.setattr(Movie, "save", delete_and_save)
        response = admin.post(f"/admin/catalog/movie/{movie.pk}/change/", {"title": "M", "duration_minutes": 111})
        assert response.status_code == 302
        assert "something else changed at the same moment" in told(response)
        assert not Movie.objects.exclude(pk=movie.pk).exists()

    def test_the_second_of_two_deletions_is_told_so(
        self, admin: Client, show: Show, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from core.errors import NotFound

        def gone(**_: Any) -> None:
            raise NotFound

        monkeypatch.setattr("reservations.staff.lock_show", gone)
        response = admin.post(f"/admin/catalog/show/{show.pk}/delete/", {"post": "yes"})
        assert (response.status_code, told(response)) == (302, "Not found.")

    def test_a_booked_show_keeps_its_film(self, admin: Client, show: Show) -> None:
        other = Movie.objects.create(title="M", duration_minutes=111)
        admin.post(f"/admin/catalog/show/{show.pk}/change/", show_form(movie=other.pk, total_seats=9))
        assert (Show.objects.get().movie_id, Show.objects.get().total_seats) == (show.movie_id, 9)

    def test_a_login_spends_the_budgets_of_the_other_doors(self, client: Client, sam: User, settings: Any) -> None:
        settings.THROTTLES = {**settings.THROTTLES, "account": (2, 60)}
        for _ in range(2):
            response = client.post("/admin/login/", {"username": "sam", "password": "wrong"})
            assert "correct username" in response.content.decode()
        response = client.post("/admin/login/", {"username": "SAM", "password": PASSWORD})
        assert "Too many attempts" in response.content.decode()
