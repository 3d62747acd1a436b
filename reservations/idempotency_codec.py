"""Stores outcomes of verbs under an idempotency key, as named columns.

A column that was added since an outcome was stored has its default in the replay; one that was removed is left out.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Model

from catalog.models import Movie, Show
from reservations.models import Booking, Bookings, Hold

M = TypeVar("M", bound=Model)


def dump_booking(booking: Booking) -> dict[str, Any]:
    return {"booking": _dump(booking), **_dump_show(booking.show)}


def load_booking(stored: dict[str, Any]) -> Booking:
    booking = _load(Booking, stored["booking"])
    booking.show = _load_show(stored)
    return booking


def dump_bookings(bookings: Sequence[Booking]) -> dict[str, Any]:
    if not bookings:  # of a hold whose seats became those of bookings that moved there
        return {"bookings": []}
    return {"bookings": [_dump(booking) for booking in bookings], **_dump_show(bookings[0].show)}


def load_bookings(stored: dict[str, Any]) -> Bookings:
    bookings = Bookings(_load(Booking, columns) for columns in stored["bookings"])
    for booking in bookings:
        booking.show = _load_show(stored)
    return bookings


def dump_hold(hold: Hold) -> dict[str, Any]:
    seats = {"seats": hold.seat_numbers, "expires_at": str(hold.expires_at)}
    return {"hold": _dump(hold), **seats, **_dump_show(hold.show)}


def load_hold(stored: dict[str, Any]) -> Hold:
    hold = _load(Hold, stored["hold"])
    hold.show, hold.seat_numbers = _load_show(stored), stored["seats"]
    hold.expires_at = datetime.fromisoformat(stored["expires_at"])
    return hold


def _dump_show(show: Any) -> dict[str, Any]:
    return {"show": _dump(show), "movie": _dump(show.movie), "available_seats": show.available_seats}


def _load_show(stored: dict[str, Any]) -> Show:
    show: Any = _load(Show, stored["show"])
    show.movie, show.available_seats = _load(Movie, stored["movie"]), stored["available_seats"]
    return show  # type: ignore[no-any-return]


def _dump(row: Model) -> dict[str, Any]:
    """Give the columns that were loaded, by name."""
    deferred = row.get_deferred_fields()
    names = [field.attname for field in row._meta.concrete_fields if field.attname not in deferred]
    values = {name: getattr(row, name) for name in names}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}


def _load(model: type[M], columns: dict[str, Any] | list[Any]) -> M:
    fields = {field.attname: field for field in model._meta.concrete_fields}
    if isinstance(columns, list):  # stored by a release before named columns; 24 hours after it there are none
        columns = dict(zip(fields, columns, strict=False))
    row = model(**{name: fields[name].to_python(value) for name, value in columns.items() if name in fields})
    row._state.adding, row._state.db = False, connection.alias
    return row
