"""The contract as stories, each told through REST and through GraphQL: the same refusal has the same code at both."""

from typing import Any

import pytest

from catalog.models import Movie, Show
from core.models import User
from reservations.models import Booking
from tests.conftest import PASSWORD, begin, make_show
from tests.doors import Door, global_id

pytestmark = pytest.mark.django_db


class TestBookSeat:
    def test_books_a_free_seat(self, door: Any, alice: User, show: Show) -> None:
        answer = door.book(alice, show.pk, 3)
        assert answer.ok
        booking = Booking.objects.get()
        assert (booking.user, booking.show, booking.seat_number, booking.status) == (alice, show, 3, "booked")
        assert answer.facts == {
            "id": booking.pk,
            "seat_number": 3,
            "status": "booked",
            "created_at": booking.created_at.isoformat().replace("+00:00", "Z"),
            "cancelled_at": None,
            "show": {
                "id": show.pk,
                "movie": {"id": show.movie.pk, "title": "The Third Man", "duration_minutes": 104},
                "screen_name": "Aurora",
                "date_time": show.date_time.isoformat().replace("+00:00", "Z"),
                "total_seats": 5,
                "seats_per_row": 10,
                "available_seats": 4,
            },
        }

    def test_refuses_a_seat_that_is_taken(self, door: Any, alice: User, bob: User, show: Show) -> None:
        door.book(alice, show.pk, 3)
        answer = door.book(bob, show.pk, 3)
        assert (answer.code, answer.facts) == ("seat_taken", {"seat_number": 3})
        assert Booking.objects.get().user == alice

    def test_refuses_the_owner_the_same_seat_again(self, door: Any, alice: User, show: Show) -> None:
        door.book(alice, show.pk, 3)
        assert door.book(alice, show.pk, 3).code == "seat_taken"

    def test_lets_one_user_book_several_seats(self, door: Any, alice: User, show: Show) -> None:
        assert door.book(alice, show.pk, 1).ok
        assert door.book(alice, show.pk, 2).ok

    def test_tells_the_same_seat_of_two_shows_apart(self, door: Any, alice: User, show: Show, movie: Movie) -> None:
        other = make_show(movie)
        assert door.book(alice, show.pk, 1).ok
        assert door.book(alice, other.pk, 1).ok

    def test_refuses_every_seat_of_a_full_show_as_full(self, door: Any, alice: User, bob: User, show: Show) -> None:
        for seat in range(1, 6):
            assert door.book(alice, show.pk, seat).ok
        for seat in range(1, 6):
            answer = door.book(bob, show.pk, seat)
            assert (answer.code, answer.facts) == ("show_full", {})

    @pytest.mark.parametrize("seat", [0, -1, 6, 10_000, 10_001, 32_768, 2**31 - 1, -(2**31)])
    def test_refuses_a_seat_that_the_show_has_not(self, door: Any, alice: User, show: Show, seat: int) -> None:
        answer = door.book(alice, show.pk, seat)
        assert (answer.code, answer.facts) == ("seat_out_of_range", {"min": 1, "max": 5})

    def test_tells_a_full_show_which_seats_it_has(self, door: Any, alice: User, movie: Movie) -> None:
        show = make_show(movie, seats=1)
        assert door.book(alice, show.pk, 1).ok
        assert door.book(alice, show.pk, 2).code == "seat_out_of_range"

    @pytest.mark.parametrize(
        "seat", ["5", "٣", " 5 ", 5.0, 5.5, 1e400, True, False, None, [], [5], {}, {"a": 1}, 2**63, 10**400, -(10**30)]
    )
    def test_takes_nothing_but_an_integer(self, door: Any, alice: User, show: Show, seat: Any) -> None:
        answer = door.book(alice, show.pk, seat)
        assert answer.status == 400 or answer.code == "seat_out_of_range"
        assert not Booking.objects.exists()

    def test_refuses_when_the_show_has_begun(self, door: Any, alice: User, show: Show) -> None:
        begin(show)
        answer = door.book(alice, show.pk, 3)
        assert (answer.code, answer.facts) == ("show_started", {})

    def test_knows_no_show_of_another_number(self, door: Any, alice: User, show: Show) -> None:
        assert door.book(alice, show.pk + 1, 3).code == "not_found"
        assert door.book(alice, 2**63, 3).code == "not_found"
        assert door.book(alice, 0, 3).code == "not_found"

    def test_needs_a_token(self, door: Any, show: Show) -> None:
        answer = door.book(None, show.pk, 3)
        assert (answer.code, answer.status) == ("not_authenticated", 401)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")

    @pytest.mark.parametrize("token", ["x", "a.b.c", "é", "", "eyJhbGciOiJub25lIn0.e30."])
    def test_needs_a_token_that_holds(self, door: Any, show: Show, token: str) -> None:
        answer = door.book(token, show.pk, 3)
        assert (answer.code, answer.status) == ("token_not_valid", 401)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


class TestCancelBooking:
    @pytest.fixture
    def booking(self, door: Any, alice: User, show: Show) -> int:
        return int(door.book(alice, show.pk, 3).facts["id"])

    def test_frees_the_seat_and_keeps_the_booking(
        self, door: Any, alice: User, bob: User, show: Show, booking: int
    ) -> None:
        answer = door.cancel(alice, booking)
        assert answer.ok
        assert (answer.facts["id"], answer.facts["status"]) == (booking, "cancelled")
        assert answer.facts["cancelled_at"] >= answer.facts["created_at"]
        assert answer.facts["show"]["available_seats"] == 5
        assert door.book(bob, show.pk, 3).ok
        assert list(Booking.objects.order_by("id").values_list("status", flat=True)) == ["cancelled", "booked"]

    def test_refuses_a_second_time(self, door: Any, alice: User, booking: int) -> None:
        assert door.cancel(alice, booking).ok
        answer = door.cancel(alice, booking)
        assert (answer.code, answer.facts) == ("already_cancelled", {})

    def test_never_touches_the_next_owner(self, door: Any, alice: User, bob: User, show: Show, booking: int) -> None:
        door.cancel(alice, booking)
        door.book(bob, show.pk, 3)
        assert door.cancel(alice, booking).code == "already_cancelled"
        assert Booking.objects.with_status("booked").get().user == bob

    def test_lets_the_owner_book_the_seat_again_as_a_new_booking(
        self, door: Any, alice: User, show: Show, booking: int
    ) -> None:
        door.cancel(alice, booking)
        again = door.book(alice, show.pk, 3)
        assert again.ok
        assert again.facts["id"] != booking
        assert Booking.objects.get(pk=booking).status == "cancelled"

    def test_knows_no_booking_of_somebody_else(self, door: Any, bob: User, booking: int) -> None:
        never_used = door.cancel(bob, booking + 1000)
        assert door.cancel(bob, booking).code == never_used.code == "not_found"
        assert Booking.objects.get().status == "booked"

    def test_staff_are_somebody_else_too(self, door: Any, sam: User, booking: int) -> None:
        assert door.cancel(sam, booking).code == "not_found"

    def test_refuses_when_the_show_has_begun(self, door: Any, alice: User, show: Show, booking: int) -> None:
        begin(show)
        assert door.cancel(alice, booking).code == "show_started"
        assert Booking.objects.get().status == "booked"

    def test_a_cancelled_booking_of_a_show_that_has_begun_is_cancelled(
        self, door: Any, alice: User, show: Show, booking: int
    ) -> None:
        door.cancel(alice, booking)
        begin(show)
        assert door.cancel(alice, booking).code == "already_cancelled"

    def test_needs_a_token(self, door: Any, booking: int) -> None:
        assert door.cancel(None, booking).code == "not_authenticated"

    @pytest.mark.parametrize("number", [0, 2**63, 10**18])
    def test_knows_no_booking_of_any_other_number(self, door: Any, alice: User, number: int) -> None:
        assert door.cancel(alice, number).code == "not_found"


class TestMyBookings:
    def test_lists_ones_own_newest_first(self, door: Any, alice: User, bob: User, show: Show) -> None:
        first, second = door.book(alice, show.pk, 1), door.book(alice, show.pk, 2)
        door.book(bob, show.pk, 3)
        listed = door.bookings(alice).facts["list"]
        assert [booking["id"] for booking in listed] == [second.facts["id"], first.facts["id"]]
        assert listed[0]["show"]["available_seats"] == 2

    def test_is_filtered_by_status(self, door: Any, alice: User, show: Show) -> None:
        one, two = door.book(alice, show.pk, 1).facts["id"], door.book(alice, show.pk, 2).facts["id"]
        door.cancel(alice, one)
        assert [booking["id"] for booking in door.bookings(alice, status="booked").facts["list"]] == [two]
        assert [booking["id"] for booking in door.bookings(alice, status="cancelled").facts["list"]] == [one]

    def test_is_filtered_by_whether_the_show_has_begun(self, door: Any, alice: User, show: Show, movie: Movie) -> None:
        other = make_show(movie)
        past, coming = door.book(alice, show.pk, 1).facts["id"], door.book(alice, other.pk, 1).facts["id"]
        begin(show)
        assert [booking["id"] for booking in door.bookings(alice, upcoming=True).facts["list"]] == [coming]
        assert [booking["id"] for booking in door.bookings(alice, upcoming=False).facts["list"]] == [past]
        assert len(door.bookings(alice).facts["list"]) == 2

    def test_refuses_a_status_that_there_is_not(self, door: Any, alice: User) -> None:
        answer = door.bookings(alice, status="lost")
        assert (answer.code, answer.status) == ("invalid", 400)

    def test_needs_a_token(self, door: Any) -> None:
        assert door.bookings(None).code == "not_authenticated"


class TestAvailableSeats:
    def test_follow_booking_and_cancelling(self, door: Any, alice: User, show: Show) -> None:
        assert door.available(show.pk) == 5
        booking = door.book(alice, show.pk, 1).facts["id"]
        assert door.available(show.pk) == 4
        door.cancel(alice, booking)
        assert door.available(show.pk) == 5


class TestSignUp:
    def test_opens_an_account_without_rights(self, door: Any) -> None:
        answer = door.signup(username="Carol", password=PASSWORD, email="Carol@Example.com")
        assert answer.ok
        carol = User.objects.get()
        assert answer.facts == {"id": carol.pk, "username": "Carol", "email": "Carol@example.com"}
        assert not carol.is_staff
        assert not carol.is_superuser
        assert carol.check_password(PASSWORD)

    def test_takes_no_email_for_an_answer(self, door: Any) -> None:
        assert door.signup(username="carol", password=PASSWORD).facts["email"] == ""
        assert door.signup(username="dave", password=PASSWORD, email="").ok

    @pytest.mark.parametrize("name", ["alice", "ALICE", "Alice"])
    def test_refuses_a_name_that_is_taken_in_any_case(self, door: Any, alice: User, name: str) -> None:
        answer = door.signup(username=name, password=PASSWORD)
        assert answer.code == "invalid"
        assert answer.facts == {"errors": {"username": ["A user with that username already exists."]}}

    def test_refuses_an_email_address_that_is_taken_in_any_case(self, door: Any, alice: User) -> None:
        answer = door.signup(username="carol", password=PASSWORD, email="ALICE@example.COM")
        assert answer.facts == {"errors": {"email": ["A user with that email address already exists."]}}

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"username": ""}, "username"),
            ({"username": " carol"}, "username"),
            ({"username": "a b"}, "username"),
            ({"username": "ａｌｉｃｅ"}, "username"),
            ({"username": "zoë"}, "username"),
            ({"username": "carol\n"}, "username"),
            ({"username": "car\0ol"}, "username"),
            ({"username": "c" * 151}, "username"),
            ({"email": "not an address"}, "email"),
            ({"email": "a\0@example.com"}, "email"),
            ({"email": f"{'a' * 250}@example.com"}, "email"),
            ({"password": "short"}, "password"),
            ({"password": "password"}, "password"),
            ({"password": "73958164027"}, "password"),
            ({"password": "carolcarol1", "username": "carolcarol1"}, "password"),
            ({"password": ""}, "password"),
            ({"password": "x7" * 501}, "password"),
            ({"password": "correct\0horse"}, "password"),
        ],
        ids=repr,
    )
    def test_refuses_what_is_not_acceptable_and_names_the_field(
        self, door: Any, db: None, wrong: dict[str, str], field: str
    ) -> None:
        answer = door.signup(**{"username": "carol", "password": PASSWORD, **wrong})
        assert answer.code == "invalid"
        assert list(answer.facts["errors"]) == [field]
        assert not User.objects.exists()

    @pytest.mark.parametrize("field", ["username", "password"])
    @pytest.mark.parametrize("value", [None, 5, True, [], {}])
    def test_refuses_what_is_no_text(self, door: Any, field: str, value: Any) -> None:
        answer = door.signup(**{"username": "carol", "password": PASSWORD, field: value})
        assert (answer.code, answer.status) == ("invalid", 400)

    @pytest.mark.parametrize("right", ["is_staff", "is_superuser", "isStaff", "id"])
    def test_gives_nobody_rights_that_he_asks_for(self, door: Any, right: str) -> None:
        door.signup(username="carol", password=PASSWORD, **{right: True})
        assert not User.objects.filter(is_staff=True).exists()
        assert not User.objects.filter(is_superuser=True).exists()

    def test_trims_no_password(self, door: Any) -> None:
        assert door.signup(username="carol", password=f"  {PASSWORD}  ").ok
        assert door.login(username="carol", password=PASSWORD).code == "no_active_account"
        assert door.login(username="carol", password=f"  {PASSWORD}  ").ok


class TestLogIn:
    @pytest.mark.parametrize("name", ["alice", "ALICE"])
    def test_gives_a_token_that_speaks_for_the_account(self, door: Any, alice: User, name: str) -> None:
        pair = door.login(username=name, password=PASSWORD).facts
        assert set(pair) == {"access", "refresh"}
        assert door.me(pair["access"]).facts["username"] == "alice"

    @pytest.mark.parametrize(
        ("name", "password"),
        [
            ("alice", "wrong"),
            ("alice", f" {PASSWORD}"),
            ("nobody", PASSWORD),
            ("al\0ice", PASSWORD),
            ("ａｌｉｃｅ", PASSWORD),
            ("a" * 1000, PASSWORD),
        ],
    )
    def test_refuses_everything_else_alike(self, door: Any, alice: User, name: str, password: str) -> None:
        answer = door.login(username=name, password=password)
        assert answer.facts.get("errors") or answer.code == "no_active_account"

    def test_refuses_a_deactivated_account(self, door: Any, alice: User) -> None:
        User.objects.update(is_active=False)
        assert door.login(username="alice", password=PASSWORD).code == "no_active_account"

    def test_knows_the_kelvin_sign_from_a_k(self, door: Any) -> None:
        door.signup(username="kate", password=PASSWORD)
        assert door.login(username="\u212aate", password=PASSWORD).code == "no_active_account"


class TestTokens:
    @pytest.fixture
    def pair(self, door: Any, alice: User) -> Any:
        return door.login(username="alice", password=PASSWORD).facts

    def test_a_refresh_token_is_exchanged_once(self, door: Any, pair: Any) -> None:
        new = door.refresh(pair["refresh"])
        assert new.ok
        assert new.facts["refresh"] != pair["refresh"]
        assert door.me(new.facts["access"]).ok
        assert door.refresh(pair["refresh"]).code == "token_not_valid"
        assert door.refresh(new.facts["refresh"]).ok

    def test_logging_out_spends_the_refresh_token(self, door: Any, pair: Any) -> None:
        assert door.logout(pair["refresh"]).ok
        assert door.refresh(pair["refresh"]).code == "token_not_valid"
        assert door.logout(pair["refresh"]).code == "token_not_valid"

    def test_a_new_password_ends_every_token(self, door: Any, alice: User, pair: Any) -> None:
        alice.set_password("another good one")
        alice.save()
        assert door.me(pair["access"]).code == "token_not_valid"
        assert door.refresh(pair["refresh"]).code == "token_not_valid"

    def test_a_deactivated_account_has_no_tokens(self, door: Any, pair: Any) -> None:
        User.objects.update(is_active=False)
        assert door.me(pair["access"]).code == "token_not_valid"
        assert door.refresh(pair["refresh"]).code == "token_not_valid"
        assert door.logout(pair["refresh"]).code == "token_not_valid"

    def test_a_deleted_account_has_no_tokens(self, door: Any, alice: User, pair: Any) -> None:
        alice.delete()
        assert door.me(pair["access"]).code == "token_not_valid"
        assert door.refresh(pair["refresh"]).code == "token_not_valid"
        assert door.logout(pair["refresh"]).code == "token_not_valid"

    def test_neither_token_is_the_other(self, door: Any, pair: Any) -> None:
        assert door.me(pair["refresh"]).code == "token_not_valid"
        assert door.refresh(pair["access"]).code == "token_not_valid"
        assert door.logout(pair["access"]).code == "token_not_valid"

    @pytest.mark.parametrize("token", ["", "x", "a.b.c", "é", "\0", "e30.e30.e30"])
    def test_nonsense_is_no_token(self, door: Any, db: None, token: str) -> None:
        answer = door.refresh(token)
        assert answer.code in ("token_not_valid", "invalid")
        assert door.logout(token).code == answer.code

    @pytest.mark.parametrize("user_id", ["abc", "", None, -1, 2**70, [1], "١", "1 "])
    def test_a_token_of_ours_for_no_number_is_not_valid(self, door: Any, alice: User, user_id: Any) -> None:
        from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

        access, refresh = AccessToken.for_user(alice), RefreshToken.for_user(alice)
        access["user_id"] = refresh["user_id"] = user_id
        assert door.me(str(access)).code == "token_not_valid"
        assert door.refresh(str(refresh)).code == "token_not_valid"
        assert door.logout(str(refresh)).code == "token_not_valid"

    @pytest.mark.parametrize("claims", [{"jti": None}, {"token_type": 5}, {"exp": 10**18}, {"exp": "x"}, {"exp": None}])
    def test_a_token_of_ours_with_odd_claims_is_not_valid(self, door: Any, alice: User, claims: dict[str, Any]) -> None:
        from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

        access, refresh = AccessToken.for_user(alice), RefreshToken.for_user(alice)
        for token in (access, refresh):
            for claim, value in claims.items():
                if value is None:
                    del token[claim]
                else:
                    token[claim] = value
        assert door.me(str(access)).code == "token_not_valid"
        assert door.refresh(str(refresh)).code == "token_not_valid"
        assert door.logout(str(refresh)).code == "token_not_valid"

    def test_an_expired_token_is_not_valid(self, door: Any, alice: User) -> None:
        from datetime import timedelta

        from rest_framework_simplejwt.tokens import AccessToken

        token = AccessToken.for_user(alice)
        token.set_exp(lifetime=timedelta(seconds=-1))
        assert door.me(str(token)).code == "token_not_valid"


class TestAStaleToken:
    """A front end that sends its token with every request must be able to replace one that has run out."""

    @pytest.fixture(autouse=True)
    def _send_it_with_everything(self, door: Any) -> None:
        door.client.defaults["HTTP_AUTHORIZATION"] = "Bearer stale"

    def test_is_not_looked_at_to_begin_renew_or_end_a_session(self, door: Any) -> None:
        assert door.signup(username="carol", password=PASSWORD).ok
        pair = door.login(username="carol", password=PASSWORD).facts
        pair = door.refresh(pair["refresh"]).facts
        assert door.logout(pair["refresh"]).ok

    def test_is_refused_for_everything_else(self, door: Any, show: Show) -> None:
        for answer in (door.me(None), door.book(None, show.pk, 1), door.bookings(None), door.movies("")):
            assert (answer.code, answer.status) == ("token_not_valid", 401)


class TestThrottling:
    @pytest.fixture(autouse=True)
    def _small_budgets(self, settings: Any, _quick_hashes_and_wide_budgets: None) -> None:
        settings.THROTTLES = {"signup": (2, 60), "login": (4, 60), "refresh": (2, 60), "account": (2, 60)}

    def test_counts_the_tries_of_an_address_to_sign_up(self, door: Any, db: None) -> None:
        for name in ("carol", "dave"):
            assert door.signup(username=name, password=PASSWORD).ok
        answer = door.signup(username="erin", password=PASSWORD)
        assert answer.code == "throttled"
        assert 1 <= answer.facts["retry_after"] <= 60

    def test_counts_the_tries_on_an_account_in_any_case(self, door: Any, alice: User) -> None:
        assert door.login(username="alice", password="wrong").code == "no_active_account"
        assert door.login(username="Alice", password="wrong").code == "no_active_account"
        assert door.login(username="ALICE", password=PASSWORD).code == "throttled"

    def test_counts_the_tries_of_an_address_to_log_in(self, door: Any, alice: User) -> None:
        for number in range(4):
            assert door.login(username=f"nobody{number}", password="wrong").code == "no_active_account"
        assert door.login(username="alice", password=PASSWORD).code == "throttled"

    def test_counts_the_tries_to_refresh(self, door: Any, db: None) -> None:
        for _ in range(2):
            assert door.refresh("x").code == "token_not_valid"
        assert door.refresh("x").code == "throttled"

    def test_a_forged_address_passes_nothing(self, door: Door, db: None) -> None:
        codes = []
        for number in range(4):
            door.client.defaults["HTTP_X_FORWARDED_FOR"] = f"198.51.100.{number}"
            codes.append(door.refresh("x").code)  # type: ignore[attr-defined]
        assert codes == ["token_not_valid", "token_not_valid", "throttled", "throttled"]

    def test_is_over_when_the_window_is(self, door: Any, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
        import time

        for _ in range(3):
            answer = door.refresh("x")
        assert answer.code == "throttled"
        later = time.time() + 61
        monkeypatch.setattr("core.throttling.time.time", lambda: later)
        assert door.refresh("x").code == "token_not_valid"


def test_both_doors_share_one_budget(rest: Any, graph: Any, db: None, settings: Any) -> None:
    settings.THROTTLES = {**settings.THROTTLES, "refresh": (2, 60)}
    assert rest.refresh("x").code == "token_not_valid"
    assert graph.refresh("x").code == "token_not_valid"
    assert rest.refresh("x").code == "throttled"
    assert graph.refresh("x").code == "throttled"


@pytest.mark.parametrize("search", ["third", "THIRD", "the third man", ""])
def test_films_are_found_by_their_title(door: Any, movie: Movie, search: str) -> None:
    assert [found["title"] for found in door.movies(search).facts["list"]] == ["The Third Man"]


def test_a_search_is_taken_literally(door: Any, movie: Movie) -> None:
    for search in ("%", "_", "\\", "'", '"', "100%"):
        assert door.movies(search).facts["list"] == []


@pytest.mark.parametrize("search", ["\0", "a" * 256])
def test_a_search_that_no_title_has_room_for_is_refused(door: Any, movie: Movie, search: str) -> None:
    answer = door.movies(search)
    assert (answer.code, answer.status) == ("invalid", 400)
    assert "search" in answer.facts["errors"]


def test_a_global_id_of_another_type_finds_nothing(graph: Any, alice: User, show: Show) -> None:
    input = {"showId": global_id("Movie", show.pk), "seatNumber": 1}
    answer = graph.ask(
        "mutation($input: BookSeatInput!) { bookSeat(input: $input) { ... on Refusal { code message } } }",
        alice,
        input=input,
    )
    assert answer.code == "not_found"
