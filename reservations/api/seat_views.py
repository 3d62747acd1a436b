"""Seat maps, holds and blocked seats over REST."""

import hashlib

import orjson
from django.http import HttpRequest, HttpResponse
from rest_framework.permissions import SAFE_METHODS, BasePermission, IsAdminUser
from rest_framework.request import Request
from rest_framework.views import APIView

from core.api.openapi import describe
from core.api.pagination import PageQuery, answer_named, answer_page
from core.api.rest import (
    VerbView,
    View,
    answer,
    headers_of_replay,
    idempotency_key_of,
    read,
    read_query,
    user_of,
    write,
)
from core.errors import Invalid, NotFound
from core.models import Account
from reservations import staff
from reservations.api.seat_serializers import (
    BestSeatsQuery,
    BestSeatsSerializer,
    BlockedSeatSerializer,
    BlockSeatsSerializer,
    HoldSerializer,
    MoveSerializer,
    SeatMapQuery,
    SeatMapSerializer,
    SeveralSeatsSerializer,
    write_blocked_seats,
    write_hold,
    write_holds,
    write_seat_map,
)
from reservations.api.serializers import BookingSerializer
from reservations.best_seats import best_seats
from reservations.booking import move_booking
from reservations.errors import (
    AlreadyCancelled,
    HoldConfirmed,
    HoldExpired,
    NoAdjacentSeats,
    SeatBlocked,
    SeatHeld,
    SeatOutOfRange,
    SeatsUnavailable,
    SeatTaken,
    ShowFull,
    ShowStarted,
    TooManyHeld,
)
from reservations.holds import confirm_hold, extend_hold, hold_seats, release_hold
from reservations.models import Hold
from reservations.seat_map import SeatMap, seat_map


class ForEverybody(BasePermission):
    """Everybody may read."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return request.method in SAFE_METHODS


class SeatMapView(VerbView):
    permission_classes = [ForEverybody]

    @describe(
        "getSeatMap",
        "Get the seat map of a show",
        answer=SeatMapSerializer,
        parameters=[SeatMapQuery],
        refuses=[Invalid],
        kept=True,
        tags=["seats"],
    )
    def get(self, request: HttpRequest, show_id: int) -> HttpResponse:
        """Which seats are available, held, booked and blocked; who else sits where is never told. With a token, one's
        own are marked. Ask again with the `ETag`, or with `since` for what has changed."""
        since = read_query(SeatMapQuery, request).get("since")
        seats = seat_map(show_id=show_id, viewer=request.user or None, since=since)  # type: ignore[arg-type]
        response = answer_named(request, _name_of(seats), lambda: answer(write_seat_map(seats)))
        response.headers["Cache-Control"] = "private, no-cache"
        response.headers["Vary"] = "Authorization"
        return response


def _name_of(seats: SeatMap) -> str:
    """Name all that an answer tells: another viewer, and a hold that runs out, have another name."""
    show = seats.show
    facts = [show.pk, show.screen_name, show.date_time, show.total_seats, show.seats_per_row]
    facts += [show.movie.pk, show.movie.title, show.movie.duration_minutes]
    told = hashlib.blake2b(orjson.dumps([facts, seats.version, sorted(seats.changed or ())]), digest_size=16)
    told.update(b"all" if seats.changed is None else b"changed")
    told.update(seats.codes)
    return told.hexdigest()


class BestSeatsView(View):
    permission_classes = [ForEverybody]

    @describe(
        "findBestSeats",
        "Find the best available seats",
        answer=BestSeatsSerializer,
        parameters=[BestSeatsQuery],
        refuses=[NoAdjacentSeats, Invalid],
        tags=["seats"],
    )
    def get(self, request: HttpRequest, show_id: int) -> HttpResponse:
        """Adjacent seats of one row, if that can be so that no single seat is left alone beside them, near the middle
        of the row two thirds back; with `allow_split`, parts in rows near each other. The same state of the seats gives
        the same answer. Nobody holds them yet: to choose and take them at once, book or hold with `best`."""
        found = best_seats(show_id=show_id, **read_query(BestSeatsQuery, request))
        return answer({"seat_numbers": found.seat_numbers, "labels": found.labels})


class HoldsView(VerbView):
    @describe(
        "holdSeats",
        "Hold seats",
        request=SeveralSeatsSerializer,
        answer=HoldSerializer,
        status=201,
        refuses=[SeatOutOfRange, ShowStarted, ShowFull, TooManyHeld, SeatsUnavailable, NoAdjacentSeats],
        keyed=True,
        tags=["holds"],
    )
    def post(self, request: HttpRequest, show_id: int) -> HttpResponse:
        """The seats are nobody else's for ten minutes, but never beyond the show's beginning; all are held or none.
        One account may hold ten seats of a show."""
        hold = hold_seats(
            user=user_of(request),
            show_id=show_id,
            idempotency_key=idempotency_key_of(request),
            **read(SeveralSeatsSerializer, request),
        )
        return answer(write_hold(hold), status=201, headers=headers_of_replay(hold))


class HoldView(VerbView):
    def whoever_asks(self, request: HttpRequest) -> Account | None:
        return super().whoever_asks(request) if request.method == "DELETE" else View.whoever_asks(self, request)

    @describe("getHold", "Get a hold", answer=HoldSerializer, tags=["holds"])
    def get(self, request: HttpRequest, hold_id: int) -> HttpResponse:
        """One's own, while it can be confirmed; any other is `not_found`."""
        found = write_holds(Hold.objects.filter(user=user_of(request).pk, pk=hold_id).live())
        if not found:
            raise NotFound
        return answer(found[0])

    @describe(
        "releaseHold",
        "Release a hold",
        answer=None,
        status=204,
        refuses=[HoldConfirmed, HoldExpired, ShowStarted],
        keyed=True,
        tags=["holds"],
    )
    def delete(self, request: HttpRequest, hold_id: int) -> HttpResponse:
        """One's own. The seats are free at once."""
        key = idempotency_key_of(request)
        released = release_hold(user=user_of(request), hold_id=hold_id, idempotency_key=key)
        return HttpResponse(status=204, headers=headers_of_replay(released))


class ConfirmView(VerbView):
    @describe(
        "confirmHold",
        "Confirm a hold",
        request=None,
        answer=BookingSerializer(many=True),
        status=201,
        refuses=[HoldExpired, ShowStarted],
        keyed=True,
        tags=["holds"],
    )
    def post(self, request: HttpRequest, hold_id: int) -> HttpResponse:
        """Its seats are booked, all of them. To confirm again is answered with the same bookings."""
        key = idempotency_key_of(request)
        bookings = confirm_hold(user=user_of(request), hold_id=hold_id, idempotency_key=key)
        return answer(
            [write(BookingSerializer, booking) for booking in bookings], status=201, headers=headers_of_replay(bookings)
        )


class ExtendView(VerbView):
    @describe(
        "extendHold",
        "Extend a hold",
        request=None,
        answer=HoldSerializer,
        refuses=[HoldConfirmed, HoldExpired, ShowStarted],
        keyed=True,
        tags=["holds"],
    )
    def post(self, request: HttpRequest, hold_id: int) -> HttpResponse:
        """Ten minutes from now, but at most thirty from the first, and never beyond the show's beginning."""
        key = idempotency_key_of(request)
        hold = extend_hold(user=user_of(request), hold_id=hold_id, idempotency_key=key)
        return answer(write_hold(hold), headers=headers_of_replay(hold))


class MyHoldsView(View):
    @describe(
        "listMyHolds",
        "List one's own holds",
        answer=HoldSerializer(many=True),
        parameters=[PageQuery],
        paged=True,
        tags=["holds"],
    )
    def get(self, request: HttpRequest) -> HttpResponse:
        """A plain array of those that can be confirmed, the first to run out first."""
        holds = Hold.objects.filter(user=user_of(request).pk).live().first_to_expire()
        return answer_page(request, holds, write_holds, **read_query(PageQuery, request))


class MoveView(VerbView):
    @describe(
        "moveBooking",
        "Move a booking to another seat",
        request=MoveSerializer,
        answer=BookingSerializer,
        refuses=[AlreadyCancelled, SeatOutOfRange, SeatTaken, SeatHeld, SeatBlocked, ShowStarted],
        keyed=True,
        tags=["bookings"],
    )
    def post(self, request: HttpRequest, booking_id: int) -> HttpResponse:
        """One's own, to another seat of the same show. The booking has the one seat or the other at any moment, and
        keeps its id."""
        booking = move_booking(
            user=user_of(request),
            booking_id=booking_id,
            idempotency_key=idempotency_key_of(request),
            **read(MoveSerializer, request),
        )
        return answer(write(BookingSerializer, booking), headers=headers_of_replay(booking))


class BlockedSeatsView(View):
    permission_classes = [IsAdminUser]

    @describe(
        "listBlockedSeats",
        "List the blocked seats of a show",
        answer=BlockedSeatSerializer(many=True),
        staff=True,
        tags=["seats"],
    )
    def get(self, request: HttpRequest, show_id: int) -> HttpResponse:
        """Staff only."""
        return answer(write_blocked_seats(staff.blocked_seats_of(show_id=show_id)))

    @describe(
        "blockSeats",
        "Take seats off sale",
        request=BlockSeatsSerializer,
        answer=BlockedSeatSerializer(many=True),
        status=201,
        refuses=[SeatOutOfRange, SeatsUnavailable],
        staff=True,
        tags=["seats"],
    )
    def post(self, request: HttpRequest, show_id: int) -> HttpResponse:
        """Staff only. House seats, broken chairs: they can't be sold and don't count as available."""
        blocked = staff.block_seats(show_id=show_id, **read(BlockSeatsSerializer, request))
        return answer(write_blocked_seats(blocked), status=201)


class BlockedSeatView(View):
    permission_classes = [IsAdminUser]

    @describe("unblockSeat", "Put a blocked seat on sale", answer=None, status=204, staff=True, tags=["seats"])
    def delete(self, request: HttpRequest, show_id: int, seat_number: int) -> HttpResponse:
        """Staff only. `not_found` if it is not blocked."""
        staff.unblock_seat(show_id=show_id, seat_number=seat_number)
        return HttpResponse(status=204)
