"""Every refusal of the reservations app."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from core.errors import DomainError, NotFound


class Conflict(DomainError):
    """The state of a show, seat, booking or hold forbids it."""

    kind = HTTPStatus.CONFLICT


@dataclass(eq=False)
class SeatOutOfRange(DomainError):
    """The show has no seat of this number."""

    kind = HTTPStatus.BAD_REQUEST
    code = "seat_out_of_range"
    message = "Seats are numbered {min} to {max}."
    example = {"min": 1, "max": 120}

    min: int
    max: int


@dataclass(eq=False)
class SeatConflict(Conflict):
    """The seat that was asked for is not available."""

    example = {"seat_number": 12}

    seat_number: int


class SeatTaken(SeatConflict):
    """Somebody has the seat; the show still has others."""

    code = "seat_taken"
    message = "Seat {seat_number} is already booked."


class SeatHeld(SeatConflict):
    """Somebody else holds the seat; it may come back."""

    code = "seat_held"
    message = "Seat {seat_number} is held by somebody else."


class SeatBlocked(SeatConflict):
    """The seat is not sold."""

    code = "seat_blocked"
    message = "Seat {seat_number} is not for sale."


@dataclass(eq=False)
class SeatsUnavailable(Conflict):
    """Some of the seats are booked, held or blocked; none was taken."""

    code = "seats_unavailable"
    message = "Booked, held or not for sale: {seat_numbers}."
    example = {"seat_numbers": [4]}

    seat_numbers: list[int]

    def __str__(self) -> str:
        return self.message.format(seat_numbers=", ".join(map(str, self.seat_numbers)))


class ShowFull(Conflict):
    """Every seat of the show is booked, or not for sale."""

    code = "show_full"
    message = "The show is sold out."


class ShowStarted(Conflict):
    """The show has begun; booking and cancelling are closed."""

    code = "show_started"
    message = "The show has begun; booking and cancelling are closed."


class AlreadyCancelled(Conflict):
    """The booking was cancelled before."""

    code = "already_cancelled"
    message = "The booking is already cancelled."


@dataclass(eq=False)
class NoAdjacentSeats(Conflict):
    """Not so many adjacent seats; alternatives are later shows that have them."""

    code = "no_adjacent_seats"
    message = "There are not so many seats together; the largest block has {largest_block}."
    example = {
        "largest_block": 2,
        "alternatives": [{"id": 32, "screen_name": "Aurora", "date_time": "2026-12-24T21:15:00Z"}],
    }

    largest_block: int
    alternatives: list[dict[str, Any]]


@dataclass(eq=False)
class TooManyHeld(Conflict):
    """The account would hold more seats of the show than it may."""

    code = "too_many_held"
    message = "You may hold {limit} seats of a show, and hold {held} already."
    example = {"limit": 10, "held": 8}

    limit: int
    held: int


class HoldExpired(DomainError):
    """The hold has run out; its seats may be somebody else's."""

    kind = HTTPStatus.GONE
    code = "hold_expired"
    message = "The hold has run out."


class HoldConfirmed(Conflict):
    """The hold was confirmed; its seats are booked."""

    code = "hold_confirmed"
    message = "The hold was confirmed: its seats are booked."


@dataclass(eq=False)
class SeatsInUse(Conflict):
    """A seat that the smaller show would lack is booked or held."""

    code = "seats_in_use"
    message = "Seat {highest_booked_seat} is booked or held: the show can't have fewer seats."
    example = {"highest_booked_seat": 42}

    highest_booked_seat: int


# --- Refusals of several verbs, in their order --------------------------------------------------

SHOW_REFUSALS = (NotFound, SeatOutOfRange, ShowStarted)
TAKE_REFUSALS = (*SHOW_REFUSALS, ShowFull)
GROUP_REFUSALS = (SeatsUnavailable, NoAdjacentSeats)
SEAT_REFUSALS: dict[str, type[SeatConflict]] = {"booked": SeatTaken, "held": SeatHeld, "blocked": SeatBlocked}
