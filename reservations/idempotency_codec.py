"""How the outcomes of verbs are stored under an idempotency key: as named columns.

A column that was added since an outcome was stored has its default in the replay; one that was removed is left out.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Model

from catalog.models import Movie, Show
from reservations.models import Booking, Bookings, Hold, Released

M = TypeVar("M", bound=Model)

_COLUMNS: dict[type[Model], str] = {
    Booking: "id user_id show_id seat_number status created_at cancelled_at hold_id expires_at",
    Hold: "id user_id show_id size created_at released_at",
    Show: "id movie_id screen_name date_time total_seats seats_per_row",
    Movie: "id title duration_minutes",
}


def dump_booking(booking: Booking) -> dict[str, Any]:
    return {"booking": _dump(Booking, booking), **_dump_show(booking.show)}


def load_booking(stored: dict[str, Any]) -> Booking:
    booking = _load(Booking, stored["booking"])
    booking.show = _load_show(stored)
    return booking


def dump_bookings(bookings: Sequence[Booking]) -> dict[str, Any]:
    if not bookings:  # of a hold whose seats became those of bookings that moved there
        return {"bookings": []}
    return {"bookings": [_dump(Booking, booking) for booking in bookings], **_dump_show(bookings[0].show)}


def load_bookings(stored: dict[str, Any]) -> Bookings:
    bookings = Bookings(_load(Booking, columns) for columns in stored["bookings"])
    for booking in bookings:
        booking.show = _load_show(stored)
    return bookings


def dump_hold(hold: Hold) -> dict[str, Any]:
    expires_at = hold.expires_at and hold.expires_at.isoformat()
    return {"hold": _dump(Hold, hold), "seats": hold.seat_numbers, "expires_at": expires_at, **_dump_show(hold.show)}


def load_hold(stored: dict[str, Any]) -> Hold:
    hold = _load(Hold, stored["hold"])
    hold.show, hold.seat_numbers = _load_show(stored), stored["seats"]
    hold.expires_at = datetime.fromisoformat(stored["expires_at"])
    return hold


def dump_released(released: Released) -> dict[str, Any]:
    return {"hold_id": released.hold_id}


def load_released(stored: dict[str, Any]) -> Released:
    return Released(**stored)


def _dump_show(show: Any) -> dict[str, Any]:
    movie = _dump(Movie, show.movie)
    return {"show": _dump(Show, show), "movie": movie, "available_seats": show.available_seats}


def _load_show(stored: dict[str, Any]) -> Show:
    show: Any = _load(Show, stored["show"])
    show.movie, show.available_seats = _load(Movie, stored["movie"]), stored["available_seats"]
    return show  # type: ignore[no-any-return]


def _dump(model: type[Model], row: Model) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in _COLUMNS[model].split()}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}


def _load(model: type[M], columns: dict[str, Any] | list[Any]) -> M:
    if isinstance(columns, list):  # stored by a release before named columns; 24 hours after it there are none
        columns = dict(zip(_COLUMNS[model].split(), columns, strict=False))
    fields = {field.attname: field for field in model._meta.concrete_fields if field.attname in columns}
    row = model(**{name: field.to_python(columns[name]) for name, field in fields.items()})
    row._state.adding, row._state.db = False, connection.alias
    return row
