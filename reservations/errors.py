"""Every refusal of the reservations app: its kind, its code, its message and its facts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from core.errors import DomainError, Kind


@dataclass(eq=False)
class SeatOutOfRange(DomainError):
    """The show has no seat of this number."""

    kind = Kind.INVALID
    code = "seat_out_of_range"
    message = "Seats are numbered {min} to {max}."
    example: ClassVar[Mapping[str, Any]] = {"min": 1, "max": 120}

    min: int
    max: int


@dataclass(eq=False)
class SeatTaken(DomainError):
    """Somebody has the seat; the show still has others."""

    kind = Kind.CONFLICT
    code = "seat_taken"
    message = "Seat {seat_number} is already booked."
    example: ClassVar[Mapping[str, Any]] = {"seat_number": 12}

    seat_number: int


@dataclass(eq=False)
class SeatHeld(DomainError):
    """Somebody else holds the seat; it may come back."""

    kind = Kind.CONFLICT
    code = "seat_held"
    message = "Seat {seat_number} is held by somebody else."
    example: ClassVar[Mapping[str, Any]] = {"seat_number": 12}

    seat_number: int


@dataclass(eq=False)
class SeatBlocked(DomainError):
    """The seat is not sold."""

    kind = Kind.CONFLICT
    code = "seat_blocked"
    message = "Seat {seat_number} is not for sale."
    example: ClassVar[Mapping[str, Any]] = {"seat_number": 12}

    seat_number: int


@dataclass(eq=False)
class SeatsUnavailable(DomainError):
    """Some of the seats are booked, held or blocked; none was taken."""

    kind = Kind.CONFLICT
    code = "seats_unavailable"
    message = "Booked, held or not for sale: {seat_numbers}."
    example: ClassVar[Mapping[str, Any]] = {"seat_numbers": [4]}

    seat_numbers: list[int]

    def __str__(self) -> str:
        return self.message.format(seat_numbers=", ".join(map(str, self.seat_numbers)))


@dataclass(eq=False)
class ShowFull(DomainError):
    """Every seat of the show is booked, or not for sale."""

    kind = Kind.CONFLICT
    code = "show_full"
    message = "The show is sold out."


@dataclass(eq=False)
class ShowStarted(DomainError):
    """The show has begun; booking and cancelling are closed."""

    kind = Kind.CONFLICT
    code = "show_started"
    message = "The show has begun; booking and cancelling are closed."


@dataclass(eq=False)
class AlreadyCancelled(DomainError):
    """The booking was cancelled before."""

    kind = Kind.CONFLICT
    code = "already_cancelled"
    message = "The booking is already cancelled."


@dataclass(eq=False)
class NoAdjacentSeats(DomainError):
    """There are not so many available seats together; alternatives are later shows of the film that have them."""

    kind = Kind.CONFLICT
    code = "no_adjacent_seats"
    message = "There are not so many seats together; the largest block has {largest_block}."
    example: ClassVar[Mapping[str, Any]] = {
        "largest_block": 2,
        "alternatives": [{"id": 32, "screen_name": "Aurora", "date_time": "2026-12-24T21:15:00Z"}],
    }

    largest_block: int
    alternatives: list[dict[str, Any]]


@dataclass(eq=False)
class TooManyHeld(DomainError):
    """The account would hold more seats of the show than it may."""

    kind = Kind.CONFLICT
    code = "too_many_held"
    message = "You may hold {limit} seats of a show, and hold {held} already."
    example: ClassVar[Mapping[str, Any]] = {"limit": 10, "held": 8}

    limit: int
    held: int


@dataclass(eq=False)
class HoldExpired(DomainError):
    """The hold has run out; its seats may be somebody else's."""

    kind = Kind.GONE
    code = "hold_expired"
    message = "The hold has run out."


@dataclass(eq=False)
class HoldConfirmed(DomainError):
    """The hold was confirmed; its seats are booked."""

    kind = Kind.CONFLICT
    code = "hold_confirmed"
    message = "The hold was confirmed: its seats are booked."


@dataclass(eq=False)
class SeatsInUse(DomainError):
    """A seat that the smaller show would not have is booked, or held."""

    kind = Kind.CONFLICT
    code = "seats_in_use"
    message = "Seat {highest_booked_seat} is booked or held: the show can't have fewer seats."
    example: ClassVar[Mapping[str, Any]] = {"highest_booked_seat": 42}

    highest_booked_seat: int
