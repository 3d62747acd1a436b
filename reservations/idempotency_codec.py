"""How the outcomes of verbs are kept under an idempotency key: as the columns of their rows."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import Model

from catalog.models import Movie, Show
from reservations.models import Booking, Bookings, Hold, Released
from reservations.rows import columns_of, row_of


def dump_booking(booking: Booking) -> dict[str, Any]:
    return {"booking": _columns(booking), **_dump_show(booking.show)}


def load_booking(kept: dict[str, Any]) -> Booking:
    booking = row_of(Booking, kept["booking"])
    booking.show = _load_show(kept)
    return booking


def dump_bookings(bookings: Sequence[Booking]) -> dict[str, Any]:
    return {"bookings": [_columns(booking) for booking in bookings], **_dump_show(bookings[0].show)}


def load_bookings(kept: dict[str, Any]) -> Bookings:
    show = _load_show(kept)
    bookings = Bookings(row_of(Booking, columns) for columns in kept["bookings"])
    for booking in bookings:
        booking.show = show
    return bookings


def dump_hold(hold: Hold) -> dict[str, Any]:
    expires_at = _dumped(hold.expires_at)
    return {"hold": _columns(hold), "seats": hold.seat_numbers, "expires_at": expires_at, **_dump_show(hold.show)}


def load_hold(kept: dict[str, Any]) -> Hold:
    hold = row_of(Hold, kept["hold"])
    hold.show, hold.seat_numbers = _load_show(kept), kept["seats"]
    hold.expires_at = datetime.fromisoformat(kept["expires_at"])
    return hold


def dump_released(released: Released) -> dict[str, Any]:
    return {"hold_id": released.hold_id}


def load_released(kept: dict[str, Any]) -> Released:
    return Released(**kept)


def _dump_show(show: Any) -> dict[str, Any]:
    return {"show": _columns(show), "movie": _columns(show.movie), "available_seats": show.available_seats}


def _load_show(kept: dict[str, Any]) -> Show:
    show: Any = row_of(Show, kept["show"])
    show.movie, show.available_seats = row_of(Movie, kept["movie"]), kept["available_seats"]
    return show  # type: ignore[no-any-return]


def _columns(row: Model) -> list[Any]:
    return [_dumped(value) for value in columns_of(row)]


def _dumped(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
