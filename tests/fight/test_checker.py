"""The checker finds nothing where all is right, and finds each kind of lie."""

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from tests.fight.checker import Undecided, Violation, check
from tests.fight.history import OK, TOLERANCE, UNKNOWN, Call
from tests.fight.register import FREE as NO_CLAIM
from tests.fight.register import Register, Seats, completed
from tests.fight.table import HoldRow, Row, Table, settle

SHOW, SEAT = 7, 3
MS = 10**6
LATE = 10**12  # when the holds of these stories run out, unless they tell another time


def book(client: int, start: int, end: int | None, booking: int | None = None, outcome: str = OK, **more: Any) -> Call:
    seat = more.get("seat", SEAT)
    made = {} if booking is None else {seat: booking}
    return Call(client, "book", SHOW, start, end, outcome, seats=(seat,), bookings=made)


def book_all(client: int, start: int, end: int | None, bookings: dict[int, int], outcome: str = OK) -> Call:
    return Call(client, "book", SHOW, start, end, outcome, seats=tuple(bookings), bookings=bookings)


def not_to_be_had(
    client: int, start: int, end: int, seats: tuple[int, ...], named: list[int], verb: str = "book"
) -> Call:
    return Call(client, verb, SHOW, start, end, "seats_unavailable", seats=seats, facts={"seat_numbers": named})


def refused(client: int, start: int, end: int, code: str = "seat_taken", **facts: Any) -> Call:
    return Call(client, "book", SHOW, start, end, code, seats=(SEAT,), facts=facts)


def cancel(client: int, start: int, end: int | None, booking: int, outcome: str = OK) -> Call:
    return Call(client, "cancel", SHOW, start, end, outcome, booking=booking)


def move(client: int, start: int, end: int | None, booking: int, to: int, outcome: str = OK) -> Call:
    return Call(client, "move", SHOW, start, end, outcome, seats=(to,), booking=booking)


def hold(client: int, start: int, end: int | None, number: int, *seats: int, until: int = LATE) -> Call:
    return Call(client, "hold", SHOW, start, end, OK, seats=seats or (SEAT,), hold=number, expires=until)


def confirm(client: int, start: int, end: int | None, number: int, bookings: dict[int, int]) -> Call:
    return Call(client, "confirm", SHOW, start, end, OK, hold=number, bookings=bookings)


def extend(client: int, start: int, end: int | None, number: int, until: int) -> Call:
    return Call(client, "extend", SHOW, start, end, OK, hold=number, expires=until)


def release(client: int, start: int, end: int | None, number: int, outcome: str = OK) -> Call:
    return Call(client, "release", SHOW, start, end, outcome, hold=number)


def denied(verb: str, client: int, start: int, end: int, number: int, code: str = "hold_expired") -> Call:
    return Call(client, verb, SHOW, start, end, code, hold=number)


def block(start: int, end: int | None, *seats: int, outcome: str = OK, **facts: Any) -> Call:
    return Call(0, "block", SHOW, start, end, outcome, seats=seats or (SEAT,), facts=facts)


def unblock(start: int, end: int | None, seat: int = SEAT, outcome: str = OK) -> Call:
    return Call(0, "unblock", SHOW, start, end, outcome, seats=(seat,))


def look(client: int, start: int, end: int, booking: int | None) -> Call:
    return Call(client, "bookings", SHOW, start, end, OK, seats=(SEAT,), seen={SEAT: booking} if booking else {})


def bookings(client: int, start: int, end: int, seen: dict[int, int]) -> Call:
    return Call(client, "bookings", SHOW, start, end, OK, seen=seen)


def seat_map(client: int, start: int, end: int, **seen: tuple[str, bool]) -> Call:
    return Call(
        client, "map", SHOW, start, end, OK, seen={int(seat.removeprefix("s")): it for seat, it in seen.items()}
    )


def read(start: int, end: int, booking: int | None) -> Call:
    return Call(0, "read", SHOW, start, end, OK, seen={SEAT: ("booked", booking)} if booking else {}, seats=(SEAT,))


def read_all(start: int, end: int, seen: dict[int, tuple[str, int]]) -> Call:
    return Call(0, "read", SHOW, start, end, OK, seen=seen)


def unknown_book(client: int, start: int) -> Call:
    return book(client, start, None, outcome=UNKNOWN)


def unknown_cancel(client: int, start: int, booking: int) -> Call:
    return cancel(client, start, None, booking, UNKNOWN)


FREE, HELD, MINE, BOOKED = ("available", False), ("held", False), ("held", True), ("booked", False)
T = 10**10  # when a hold runs out
TOO_LATE = T + TOLERANCE + 1  # when nothing else can be believed


RIGHT = {
    "nothing": [],
    "a booking": [book(1, 0, 1, 10), read(2, 3, 10)],
    "a booking, cancelled, and booked again": [
        book(1, 0, 1, 10),
        cancel(1, 2, 3, 10),
        book(2, 4, 5, 11),
        read(6, 7, 11),
    ],
    "one of two at once has it": [book(1, 0, 5, 10), refused(2, 1, 4), read(6, 7, 10)],
    "who began last has it": [refused(1, 0, 9), book(2, 5, 8, 10), read(10, 11, 10)],
    "the next owner's answer overtakes the cancelling's": [
        book(1, 0, 1, 10),
        cancel(1, 2, 9, 10),
        book(2, 3, 4, 11),
        read(10, 11, 11),
    ],
    "refused while the cancelling was on its way": [book(1, 0, 1, 10), cancel(1, 2, 9, 10), refused(2, 3, 4)],
    "refused by a booking that was gone before the answer": [
        refused(3, 0, 20),
        book(1, 1, 2, 10),
        cancel(1, 3, 4, 10),
        read(21, 22, None),
    ],
    "a full show": [book(1, 0, 1, 10), refused(2, 2, 3, "show_full")],
    "cancelled twice": [book(1, 0, 1, 10), cancel(1, 2, 3, 10), cancel(1, 4, 5, 10, "already_cancelled")],
    "cancelled twice at once": [book(1, 0, 1, 10), cancel(1, 2, 5, 10, "already_cancelled"), cancel(1, 3, 4, 10)],
    "cancelled again, long after it is another's": [
        book(1, 0, 1, 10),
        cancel(1, 2, 3, 10),
        book(2, 4, 5, 11),
        cancel(1, 6, 7, 10, "already_cancelled"),
        read(8, 9, 11),
    ],
    "an unknown booking that was not made": [unknown_book(1, 0), book(2, 1, 2, 10), read(3, 4, 10)],
    "an unknown booking that was made, and refuses others": [unknown_book(1, 0), refused(2, 1, 2), refused(3, 3, 4)],
    "an unknown booking that is made late": [
        unknown_book(1, 0),
        book(2, 1, 2, 10),
        cancel(2, 3, 4, 10),
        refused(3, 5, 6),
    ],
    "an unknown cancelling that was done": [book(1, 0, 1, 10), unknown_cancel(1, 2, 10), book(2, 5, 6, 11)],
    "an unknown cancelling that was not done": [book(1, 0, 1, 10), unknown_cancel(1, 2, 10), read(8, 9, 10)],
    "an unknown cancelling that was done, and is asked for again": [
        book(1, 0, 1, 10),
        unknown_cancel(1, 2, 10),
        cancel(1, 3, 4, 10, "already_cancelled"),
    ],
    "an unknown booking and its unknown cancelling that were done, as a later answer tells": [
        book(1, 0, None, 10, UNKNOWN),
        unknown_cancel(1, 1, 10),
        book(2, 2, 3, 11),
        cancel(1, 4, 5, 10, "already_cancelled"),
        read(6, 7, 11),
    ],
    "nothing happened": [
        book(1, 0, 1, outcome="busy"),
        book(1, 2, 3, outcome="database_unavailable"),
        book(2, 4, 5, 10),
        cancel(2, 6, 7, 10, "overloaded"),
        read(8, 9, 10),
    ],
    "a list that has the booking, and then has it not": [
        book(1, 0, 1, 10),
        look(1, 2, 3, 10),
        look(2, 2, 3, None),
        cancel(1, 4, 5, 10),
        look(1, 6, 7, None),
    ],
    "a list on its way with the booking": [book(1, 0, 5, 10), look(1, 1, 6, None)],
    "several at once, and none of them where one is missing": [
        book_all(1, 0, 1, {3: 10, 4: 11}),
        not_to_be_had(2, 2, 3, (2, 3, 4), [3, 4]),
        book_all(2, 4, 5, {1: 12, 2: 13}),
        refused(3, 6, 7, "show_full"),
        read_all(8, 9, {3: ("booked", 10), 4: ("booked", 11), 1: ("booked", 12), 2: ("booked", 13)}),
    ],
    "two groups that meet": [
        book_all(1, 0, 9, {3: 10, 4: 11}),
        not_to_be_had(2, 1, 8, (4, 5), [4]),
        book_all(3, 2, 7, {5: 12, 6: 13}),
    ],
    "held, confirmed, and the same answer again": [
        hold(1, 0, 1, 50, 3, 4),
        refused(2, 2, 3, "seat_held"),
        confirm(1, 4, 5, 50, {3: 10, 4: 11}),
        refused(2, 6, 7),
        confirm(1, 8, 9, 50, {3: 10, 4: 11}),
        denied("extend", 1, 10, 11, 50, "hold_confirmed"),
        cancel(1, 12, 13, 10),
        confirm(1, 14, 15, 50, {3: 10, 4: 11}),
        read_all(16, 17, {4: ("booked", 11)}),
    ],
    "held, released, and held by another": [
        hold(1, 0, 1, 50),
        release(1, 2, 3, 50),
        hold(2, 4, 5, 51),
        denied("confirm", 1, 6, 7, 50, "not_found"),
        read_all(8, 9, {3: ("held", 51)}),
    ],
    "one's own held seat is booked, and the rest confirmed": [
        hold(1, 0, 1, 50, 3, 4),
        book(1, 2, 3, 10),
        confirm(1, 4, 5, 50, {3: 10, 4: 11}),
    ],
    "one's own held seats are booked, and that is a confirming": [
        hold(1, 0, 1, 50),
        book(1, 2, 3, 10),
        confirm(1, 4, 5, 50, {3: 10}),
        denied("release", 1, 6, 7, 50, "hold_confirmed"),
    ],
    "a hold that runs out, and is another's": [
        hold(1, 0, 1, 50, until=T),
        refused(2, T - TOLERANCE - 9, T - TOLERANCE - 8, "seat_held"),
        book(2, TOO_LATE, TOO_LATE + 1, 10),
        denied("confirm", 1, TOO_LATE + 2, TOO_LATE + 3, 50),
    ],
    "a hold that runs out by a clock that is a little off": [
        hold(1, 0, 1, 50, until=T),
        book(2, T - TOLERANCE + 1, T - TOLERANCE + 2, 10),
        denied("confirm", 1, T - TOLERANCE + 3, T - TOLERANCE + 4, 50),
        hold(1, T, T + 1, 51, 4, until=2 * T),
        refused(2, 2 * T + TOLERANCE - 2, 2 * T + TOLERANCE - 1),
    ],
    "confirmed in the last moment, and answered later": [
        hold(1, 0, 1, 50, until=T),
        confirm(1, T - 5, 2 * T, 50, {3: 10}),
        seat_map(2, T + TOLERANCE + 5, T + TOLERANCE + 6, s3=FREE),
        read(2 * T + 1, 2 * T + 2, 10),
    ],
    "extended, so that it does not run out": [
        hold(1, 0, 1, 50, until=T),
        extend(1, 2, 3, 50, 2 * T),
        refused(2, TOO_LATE, TOO_LATE + 1, "seat_held"),
        confirm(1, TOO_LATE + 2, TOO_LATE + 3, 50, {3: 10}),
    ],
    "an unknown extension that was done": [
        hold(1, 0, 1, 50, until=T),
        replace(extend(1, 2, None, 50, 0), expires=None, outcome=UNKNOWN),
        refused(2, TOO_LATE, TOO_LATE + 1, "seat_held"),
        book(2, 2 * T, 2 * T + 1, 10),
    ],
    "a held row in the table whose time is over": [
        hold(1, 0, 1, 50, until=T),
        read_all(TOO_LATE, TOO_LATE + 1, {3: ("held", 50)}),
    ],
    "a hold that was released runs out while it is asked for": [
        hold(1, 0, 1, 50, until=T),
        release(1, 2, 3, 50),
        denied("extend", 1, 4, TOO_LATE + 1, 50),
    ],
    "a hold that ran out, and was tidied": [hold(1, 0, 1, 50, until=T), read_all(TOO_LATE, TOO_LATE + 1, {})],
    "a booking that moves": [
        book(1, 0, 1, 10),
        move(1, 2, 5, 10, 4),
        book(2, 3, 4, 11),
        bookings(1, 6, 7, {4: 10}),
        move(1, 8, 9, 10, 3, "seat_taken"),
        cancel(1, 10, 11, 10),
        read_all(12, 13, {3: ("booked", 11)}),
    ],
    "two that move to each other's seats, one after the other is there": [
        book(1, 0, 1, 10),
        book(2, 0, 1, 11, seat=4),
        move(1, 2, 9, 10, 5),
        move(2, 2, 9, 11, 3),
        read_all(10, 11, {5: ("booked", 10), 3: ("booked", 11)}),
    ],
    "an unknown move that was done, and one that was not": [
        book(1, 0, 1, 10),
        move(1, 2, None, 10, 4, UNKNOWN),
        book(2, 3, 4, 11),
        move(1, 5, None, 10, 6, UNKNOWN),
        bookings(1, 6, 7, {4: 10}),
    ],
    "a move to one's own held seat": [book(1, 0, 1, 10), hold(1, 2, 3, 50, 4), move(1, 4, 5, 10, 4)],
    "blocked, and sold again": [
        block(0, 1, 3, 4),
        refused(1, 2, 3, "seat_blocked"),
        not_to_be_had(1, 4, 5, (2, 3), [3]),
        unblock(6, 7),
        book(1, 8, 9, 10),
        not_to_be_had(0, 10, 11, (2, 3), [3], "block"),
        unblock(12, 13, outcome="not_found"),
        read_all(14, 15, {3: ("booked", 10), 4: ("blocked", 0)}),
    ],
    "a map of one moment": [
        book(1, 0, 1, 10),
        hold(1, 2, 3, 50, 4),
        seat_map(1, 4, 5, s3=("booked", True), s4=MINE),
        seat_map(2, 4, 5, s3=BOOKED, s4=HELD),
        confirm(1, 6, 9, 50, {4: 11}),
        seat_map(2, 7, 8, s3=BOOKED, s4=HELD),
    ],
    "no seats side by side": [
        book(1, 0, 1, 10, seat=2),
        block(2, 3, 4),
        Call(2, "book", SHOW, 4, 5, "no_adjacent_seats", best=2, facts={"largest_block": 1}),
        read_all(6, 7, {2: ("booked", 10), 4: ("blocked", 0), 1: ("booked", 99)}),
        Call(3, "book", SHOW, 5, 9, OK, seats=(1,), bookings={1: 99}),
    ],
    "too many held": [
        hold(1, 0, 1, 50, 3, 4),
        Call(1, "hold", SHOW, 2, 3, "too_many_held", seats=(5,), facts={"held": 2, "limit": 2}),
    ],
}

WRONG = {
    "a double sale": [book(1, 0, 1, 10), book(2, 2, 3, 11)],
    "a double sale at once": [book(1, 0, 5, 10), book(2, 1, 4, 11)],
    "a double sale of which one is cancelled": [
        book(1, 0, 5, 10),
        book(2, 1, 4, 11),
        cancel(2, 6, 7, 11),
        read(8, 9, 10),
    ],
    "a lost booking": [book(1, 0, 1, 10), read(2, 3, None)],
    "a lost booking, sold to another": [book(1, 0, 1, 10), book(2, 2, 3, 11), read(4, 5, 11)],
    "refused although nobody ever had it": [refused(1, 0, 1), read(2, 3, None)],
    "refused before anybody had it": [refused(1, 0, 1), book(2, 2, 3, 10)],
    "refused after it was free": [book(1, 0, 1, 10), cancel(1, 2, 3, 10), refused(2, 4, 5), read(6, 7, None)],
    "full although it was free": [book(1, 0, 1, 10), cancel(1, 2, 3, 10), refused(2, 4, 5, "show_full")],
    "a cancelled booking that lives": [book(1, 0, 1, 10), cancel(1, 2, 3, 10), read(4, 5, 10)],
    "a cancelling that took the next owner's seat": [
        book(1, 0, 1, 10),
        cancel(1, 2, 3, 10),
        book(2, 4, 5, 11),
        cancel(1, 6, 7, 10),
        read(8, 9, None),
    ],
    "a second cancelling that took the next owner's seat": [
        book(1, 0, 1, 10),
        cancel(1, 2, 3, 10),
        book(2, 4, 5, 11),
        cancel(1, 6, 7, 10, "already_cancelled"),
        read(8, 9, None),
    ],
    "already cancelled, which it never was": [book(1, 0, 1, 10), cancel(1, 2, 3, 10, "already_cancelled")],
    "already cancelled, before it is": [
        book(1, 0, 1, 10),
        cancel(1, 2, 3, 10, "already_cancelled"),
        cancel(1, 4, 5, 10),
    ],
    "cancelled by two": [book(1, 0, 1, 10), cancel(1, 2, 5, 10), cancel(1, 3, 4, 10)],
    "one's own booking is not found": [book(1, 0, 1, 10), cancel(1, 2, 3, 10, "not_found")],
    "a cancelling of what was never booked": [cancel(1, 0, 1, 10)],
    "an answer that cannot be": [book(1, 0, 1, outcome="show_started")],
    "a stale list without the booking": [book(1, 0, 1, 10), look(1, 2, 3, None)],
    "a stale list with the cancelled booking": [book(1, 0, 1, 10), cancel(1, 2, 3, 10), look(1, 4, 5, 10)],
    "a list that knows the future": [look(1, 0, 1, 10), book(1, 2, 3, 10)],
    "a list that goes back": [book(1, 0, 9, 10), look(1, 1, 2, 10), look(1, 3, 4, None)],
    "an unknown booking that undoes itself": [unknown_book(1, 0), refused(2, 1, 2), book(3, 3, 4, 10)],
    "an unknown booking that begins after the refusal": [refused(2, 0, 1), unknown_book(1, 2)],
    "an unknown cancelling that gives way once, to two": [
        book(1, 0, 1, 10),
        unknown_cancel(1, 2, 10),
        book(2, 3, 4, 11),
        book(3, 5, 6, 12),
    ],
    "a booking made although the answer promised that nothing happened": [
        book(1, 0, 1, 10, outcome="database_unavailable"),
        refused(2, 2, 3),
    ],
    "half a group": [book_all(1, 0, 1, {3: 10, 4: 11}), read_all(2, 3, {3: ("booked", 10)})],
    "a group that was there by halves": [
        book_all(1, 0, 9, {3: 10, 4: 11}),
        seat_map(2, 1, 8, s3=BOOKED, s4=FREE),
        read_all(10, 11, {3: ("booked", 10), 4: ("booked", 11)}),
    ],
    "two groups, each of which took a seat from the other": [
        not_to_be_had(1, 0, 1, (3, 4), [4]),
        not_to_be_had(2, 0, 1, (3, 4), [3]),
        read_all(2, 3, {}),
    ],
    "a seat is not named that was not to be had": [
        book_all(1, 0, 1, {3: 10, 4: 11}),
        not_to_be_had(2, 2, 3, (3, 4), [3]),
    ],
    "a seat is named that was to be had": [book(1, 0, 1, 10), not_to_be_had(2, 2, 3, (3, 4), [3, 4])],
    "held by two": [hold(1, 0, 1, 50), hold(2, 2, 3, 51)],
    "held by two at once": [hold(1, 0, 5, 50), hold(2, 1, 4, 51)],
    "held twice by one": [hold(1, 0, 1, 50), hold(1, 2, 3, 51)],
    "held though booked": [book(1, 0, 1, 10), hold(2, 2, 3, 50)],
    "held though blocked": [block(0, 1), hold(2, 2, 3, 50)],
    "booked while another holds it": [hold(1, 0, 1, 50, until=T), book(2, 2, 3, 10)],
    "blocked while somebody holds it": [hold(1, 0, 1, 50, until=T), block(2, 3)],
    "blocked though booked": [book(1, 0, 1, 10), block(2, 3)],
    "booked though blocked": [block(0, 1), book(1, 2, 3, 10)],
    "unblocked what is not blocked": [book(1, 0, 1, 10), unblock(2, 3)],
    "seat_held for the one who holds it": [hold(1, 0, 1, 50), refused(1, 2, 3, "seat_held")],
    "seat_held though nobody holds it": [book(1, 0, 1, 10), refused(2, 2, 3, "seat_held")],
    "seat_held after it ran out": [hold(1, 0, 1, 50, until=T), refused(2, TOO_LATE, TOO_LATE + 1, "seat_held")],
    "confirmed after a takeover": [
        hold(1, 0, 1, 50, until=T),
        hold(2, TOO_LATE, TOO_LATE + 1, 51, until=2 * T),
        confirm(1, TOO_LATE + 2, TOO_LATE + 3, 50, {3: 10}),
    ],
    "confirmed in time, after a takeover": [
        hold(1, 0, 1, 50, until=T),
        confirm(1, T - 5, TOO_LATE + 9, 50, {3: 10}),
        book(2, TOO_LATE, TOO_LATE + 1, 11),
    ],
    "confirmed too late": [hold(1, 0, 1, 50, until=T), confirm(1, TOO_LATE, TOO_LATE + 1, 50, {3: 10})],
    "extended too late": [hold(1, 0, 1, 50, until=T), extend(1, TOO_LATE, TOO_LATE + 1, 50, 2 * T)],
    "confirmed after it was released": [
        hold(1, 0, 1, 50),
        release(1, 2, 3, 50),
        confirm(1, 4, 5, 50, {3: 10}),
    ],
    "released though confirmed": [hold(1, 0, 1, 50), confirm(1, 2, 3, 50, {3: 10}), release(1, 4, 5, 50)],
    "half a hold is confirmed": [hold(1, 0, 1, 50, 3, 4), confirm(1, 2, 3, 50, {3: 10})],
    "a confirmed hold that is not sold": [
        hold(1, 0, 1, 50, 3, 4),
        confirm(1, 2, 3, 50, {3: 10, 4: 11}),
        read_all(4, 5, {3: ("booked", 10)}),
    ],
    "confirmed again, with other bookings": [
        hold(1, 0, 1, 50),
        confirm(1, 2, 3, 50, {3: 10}),
        confirm(1, 4, 5, 50, {3: 11}),
    ],
    "hold_expired long before it runs out": [hold(1, 0, 1, 50, until=T), denied("confirm", 1, 2, 3, 50)],
    "hold_expired though it was extended": [
        hold(1, 0, 1, 50, until=T),
        extend(1, 2, 3, 50, 2 * T),
        denied("confirm", 1, TOO_LATE, TOO_LATE + 1, 50),
    ],
    "not found though never released": [hold(1, 0, 1, 50), denied("confirm", 1, 2, 3, 50, "not_found")],
    "hold_confirmed though it never was": [hold(1, 0, 1, 50), denied("extend", 1, 2, 3, 50, "hold_confirmed")],
    "a live hold that is gone from the table": [hold(1, 0, 1, 50), read_all(2, 3, {})],
    "a released hold in the table": [hold(1, 0, 1, 50), release(1, 2, 3, 50), read_all(4, 5, {3: ("held", 50)})],
    "a move that kept both seats": [
        book(1, 0, 1, 10),
        move(1, 2, 3, 10, 4),
        read_all(4, 5, {3: ("booked", 10), 4: ("booked", 10)}),
    ],
    "a move after which the old seat is refused": [book(1, 0, 1, 10), move(1, 2, 3, 10, 4), refused(2, 4, 5)],
    "a move that left the booking on none": [book(1, 0, 1, 10), move(1, 2, 3, 10, 4), read_all(4, 5, {})],
    "a moment in which it was on none": [book(1, 0, 1, 10), move(1, 2, 5, 10, 4), bookings(1, 3, 4, {})],
    "a moment in which it was on both": [
        book(1, 0, 1, 10),
        move(1, 2, 5, 10, 4),
        seat_map(2, 3, 4, s3=BOOKED, s4=BOOKED),
    ],
    "a move to a seat that is booked": [book(1, 0, 1, 10), book(2, 0, 1, 11, seat=4), move(1, 2, 3, 10, 4)],
    "a move to a seat that another holds": [book(1, 0, 1, 10), hold(2, 0, 1, 50, 4), move(1, 2, 3, 10, 4)],
    "a cancelled booking that moves": [book(1, 0, 1, 10), cancel(1, 2, 3, 10), move(1, 4, 5, 10, 4)],
    "a map of two moments": [
        book(1, 0, 1, 10),
        cancel(1, 2, 3, 10),
        book(2, 4, 5, 11, seat=4),
        cancel(2, 6, 7, 11),
        seat_map(3, 0, 9, s3=BOOKED, s4=BOOKED),
    ],
    "a map that shows a stranger's as mine": [hold(1, 0, 1, 50), seat_map(2, 2, 3, s3=MINE)],
    "nothing side by side, though there is": [
        book(1, 0, 1, 10),
        Call(2, "book", SHOW, 2, 3, "no_adjacent_seats", best=2, facts={"largest_block": 1}),
        seat_map(2, 4, 5, s1=FREE, s2=FREE),
    ],
    "full, though a seat is only held": [hold(1, 0, 1, 50), refused(2, 2, 3, "show_full")],
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_is_found_right(name: str) -> None:
    assert check(RIGHT[name]) == []


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_found(name: str) -> None:
    (verdict,) = check(WRONG[name])
    assert isinstance(verdict, Violation)


def test_each_show_is_judged_for_itself() -> None:
    other = replace(book(2, 2, 3, 11), show=8)
    assert check([book(1, 0, 1, 10), other]) == []
    assert [violation.show for violation in check([book(1, 0, 1, 10), replace(refused(2, 2, 3), show=8)])] == [8]


@pytest.mark.parametrize("name", [*RIGHT, *WRONG])
def test_each_call_that_an_answer_depends_on_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The search drops states in which other calls are done; so the register must tell which of them matter."""
    asked: list[tuple[Register, Call, int]] = []
    for method in (Register.after, Register.is_true):

        def recording(register: Register, call: Call, state: Any, was_done: Any, method: Any = method) -> Any:
            def recorded(indices: Any) -> bool:
                indices = [*indices]
                asked.extend((register, call, index) for index in indices)
                return bool(was_done(indices))

            found = method(register, call, state, recorded)
            return found if isinstance(found, bool) else [*found]

        monkeypatch.setattr(Register, method.__name__, recording)
    check({**RIGHT, **WRONG}[name])
    for register, call, index in asked:
        own = next(place for place, other in enumerate(register.history) if other is call)
        if register.history[index].verb == "expire" and call.verb in ("hold", "extend") and call.writes:
            continue  # which is accounted for: an expiry has no effect while the hold is not there
        assert index in (own, *register.consulted_by(own))


def unmade_bookings(number: int) -> list[Call]:
    """Give bookings of as many seats, of none of which anybody knows whether it was made."""
    return [book(client, 0, None, 100 + client, UNKNOWN, seat=client) for client in range(1, number + 1)]


def test_a_history_with_too_many_orders_is_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = 0
    after = Register.after

    def counted(*about: Any) -> Any:
        nonlocal tried
        tried += 1
        return after(*about)

    monkeypatch.setattr(Register, "after", counted)
    last = book(41, 1, 2, 200, seat=41)
    assert check([*unmade_bookings(40), last], most_steps=5000) == [Undecided(SHOW, last, 5000)]
    assert tried <= 5000


def test_an_undecided_show_is_told() -> None:
    (verdict,) = check([*unmade_bookings(40), book(41, 1, 2, 200, seat=41)], most_steps=5000)
    assert str(verdict).splitlines() == [
        "Show 7: undecided. The search stopped after 5000 steps, at this call:",
        "       0.000 to      0.000 ms  client 41  book seat 41: ok, seat 41 is booking 200",
    ]


def test_only_the_show_that_is_too_hard_is_undecided() -> None:
    others = [replace(call, show=8) for call in WRONG["a double sale"]]
    verdicts = check([*unmade_bookings(40), book(41, 1, 2, 200, seat=41), *others], most_steps=5000)
    assert [(type(verdict), verdict.show) for verdict in verdicts] == [(Undecided, 7), (Violation, 8)]


def test_calls_that_undo_each_other_do_not_multiply() -> None:
    """Each booking may have been made and cancelled again, which leaves the seat as it was."""
    pairs = [
        call
        for number in range(30)
        for call in (unknown_cancel(1, 2, 100 + number), book(1, 1, None, 100 + number, UNKNOWN))
    ]
    assert check([*pairs, book(2, 3, 4, 10), read(5, 6, 10)], most_steps=10_000) == []
    (verdict,) = check([*pairs, book(2, 3, 4, 10), book(3, 5, 6, 11)], most_steps=10_000)
    assert isinstance(verdict, Violation)


class TestExplanation:
    def violation(self) -> Violation:
        quiet = [
            call
            for turn in range(100)
            for call in (
                book(5, 10 * turn, 10 * turn + 1, 1000 + turn),
                cancel(5, 10 * turn + 2, 10 * turn + 3, 1000 + turn),
            )
        ]
        others = [refused(3, 1995, 2005), look(3, 2011, 2012, None), look(4, 2011, 2013, None)]
        history = [*quiet, book(1, 2000, 2010, 1), *others, book(2, 2020, 2030, 2), refused(4, 2040, 2050)]
        (found,) = check(self.in_milliseconds(call) for call in history)
        assert isinstance(found, Violation)
        return found

    def in_milliseconds(self, call: Call) -> Call:
        return replace(call, start=call.start * 10**6, end=call.until * 10**6)

    def test_is_the_shortest_window(self) -> None:
        found = self.violation()
        assert [(call.client, call.outcome) for call in found.window] == [(1, OK), (2, OK)]
        assert found.call.client == 2

    def test_reads_well(self) -> None:
        assert str(self.violation()).splitlines() == [
            "Show 7: no order of these calls explains the answer marked with >.",
            "When it began, seat 3 was booked (booking 1).",
            "       0.000 to     10.000 ms  client 1   book seat 3: ok, seat 3 is booking 1",
            ">     20.000 to     30.000 ms  client 2   book seat 3: ok, seat 3 is booking 2",
        ]


class TestTable:
    """What the table decides, and what it contradicts."""

    def settled(self, calls: list[Call], *rows: Row) -> tuple[bool, list[str]]:
        history, faults = settle(calls, Table(list(rows), start=LATE, end=LATE + 1))
        return check(history) == [], faults

    def settled_holds(self, calls: list[Call], rows: list[Row], holds: list[HoldRow]) -> tuple[bool, list[str]]:
        history, faults = settle(calls, Table(rows, holds, start=LATE, end=LATE + 1))
        return check(history) == [], faults

    def blocked(self, reason: str, status: str, *, seat: int = SEAT) -> Row:
        return Row(90, 0, SHOW, seat, status, reason=reason)

    def held(self, id: int, client: int = 1, size: int = 1, *, created: int = 3, released: bool = False) -> HoldRow:
        return HoldRow(id, client, SHOW, size, created, released)

    def row(self, id: int = 10, client: int = 1, *, live: bool = True, seat: int = SEAT, created: int = 99) -> Row:
        return Row(id, client, SHOW, seat, "booked" if live else "cancelled", created=created)

    def test_agrees(self) -> None:
        assert self.settled([book(1, 0, 1, 10)], self.row()) == (True, [])

    def test_tells_who_made_a_booking_that_no_answer_told_of(self) -> None:
        assert self.settled([unknown_book(1, 0), refused(2, 5, 6)], self.row()) == (True, [])

    def test_tells_that_it_was_not_made(self) -> None:
        linearizable, faults = self.settled([unknown_book(1, 0), refused(2, 5, 6)])
        assert not linearizable
        assert faults == []

    def test_gives_each_row_to_the_call_that_was_on_its_way(self) -> None:
        calls = [
            unknown_book(1, 0),
            look(1, 3, 4, 10),
            cancel(1, 5, 6, 10),
            unknown_book(1, 10),
            look(1, 13, 14, 11),
            cancel(1, 15, 16, 11),
            book(2, 17, 18, 12),
        ]
        rows = [self.row(10, live=False, created=1), self.row(11, live=False, created=11), self.row(12, client=2)]
        assert self.settled(calls, *rows) == (True, [])

    def test_tells_that_an_unknown_cancelling_was_done(self) -> None:
        calls = [book(1, 0, 1, 10), unknown_cancel(1, 2, 10), book(2, 5, 6, 11)]
        assert self.settled(calls, self.row(live=False), self.row(11, client=2)) == (True, [])

    def test_tells_which_of_several_unknown_cancellings_was_done(self) -> None:
        """It was one of them, so the seat was free once."""
        calls = [book(1, 0, 1, 10), unknown_cancel(1, 2, 10), unknown_cancel(1, 4, 10)]
        for free, taken in [(3, 5), (5, 7)]:
            seen = [cancel(1, taken + 5, taken + 6, 10, "already_cancelled"), refused(3, taken + 2, taken + 3)]
            other = book(2, free, free + 1, 11)
            rows = [self.row(live=False), self.row(11, client=2)]
            assert self.settled([*calls, other, *seen], *rows) == (True, [])

    def test_tells_that_an_unknown_cancelling_was_not_done(self) -> None:
        assert self.settled([book(1, 0, 1, 10), unknown_cancel(1, 2, 10)], self.row()) == (True, [])

    def test_tells_apart_who_held_a_seat_and_who_held_the_best(self) -> None:
        """Both were on their way when seat 3 was held; only the second one can have got seat 4."""
        calls = [Call(1, "hold", SHOW, 0, seats=(3,)), Call(1, "hold", SHOW, 5, best=1)]
        rows = [
            Row(11, 1, SHOW, 3, "held", hold=50, created=8),
            Row(12, 1, SHOW, 4, "held", hold=51, created=9),
        ]
        assert self.settled_holds(calls, rows, [self.held(50, created=8), self.held(51, created=9)]) == (True, [])

    def test_tells_apart_who_booked_a_seat_and_who_booked_the_best(self) -> None:
        calls = [unknown_book(1, 0), Call(1, "book", SHOW, 5, best=1)]
        assert self.settled(calls, self.row(10, created=8), self.row(11, seat=4, created=9)) == (True, [])

    def test_a_group_that_was_made_while_its_hold_was_being_confirmed(self) -> None:
        """The confirming tells of the booking of its seat, which a group has taken meanwhile."""
        calls = [
            hold(1, 0, 1, 50),
            Call(1, "book", SHOW, 2, seats=(3, 4)),
            confirm(1, 4, 8, 50, {3: 10}),
        ]
        rows = [replace(self.row(10, created=6), hold=50), self.row(11, seat=4, created=6)]
        assert self.settled_holds(calls, rows, [self.held(50)]) == (True, [])

    def test_a_seat_that_was_booked_while_its_hold_was_being_confirmed(self) -> None:
        """The confirming tells of both bookings, of which an unknown call has made one before."""
        calls = [
            hold(1, 0, 1, 50, 3, 4),
            unknown_book(1, 2),
            confirm(1, 4, 20, 50, {3: 10, 4: 11}),
            seat_map(2, 10, 12, s3=BOOKED, s4=HELD),
        ]
        rows = [replace(self.row(10, created=6), hold=50), replace(self.row(11, seat=4, created=15), hold=50)]
        assert self.settled_holds(calls, rows, [self.held(50, size=2)]) == (True, [])
        del calls[1]
        assert self.settled_holds(calls, rows, [self.held(50, size=2)]) == (False, [])

    def test_does_not_guess_which_seats_an_unknown_hold_had(self) -> None:
        """It ran out and left no claim, so it may be of either call: the first one, which took long, or the second."""
        calls = [
            Call(1, "hold", SHOW, 0, seats=(3,)),
            Call(1, "hold", SHOW, 5, seats=(4,)),
            refused(2, 7, 8, "seat_held"),
            book(2, 9, 10, 11, seat=4),
        ]
        assert self.settled_holds(calls, [self.row(11, client=2, seat=4)], [self.held(50, created=6)]) == (True, [])

    def test_a_hold_that_one_call_may_have_made_has_its_seats(self) -> None:
        calls = [Call(1, "hold", SHOW, 0, seats=(3,)), refused(2, 7, 8, "seat_held")]
        assert self.settled_holds(calls, [], [self.held(50, created=6)]) == (True, [])
        calls = [Call(1, "hold", SHOW, 0, seats=(4,)), refused(2, 7, 8, "seat_held")]
        assert self.settled_holds(calls, [], [self.held(50, created=6)]) == (False, [])

    def test_does_not_take_bookings_of_different_calls_for_a_group(self) -> None:
        calls = [
            unknown_book(1, 0),
            Call(1, "book", SHOW, 10, seats=(3, 4)),
            refused(2, 14, 15),
            book(2, 16, 17, 20, seat=4),
            cancel(2, 18, 19, 20),
            Call(1, "book", SHOW, 30, seats=(4,)),
        ]
        rows = [
            self.row(10, created=12),
            self.row(20, client=2, live=False, seat=4),
            self.row(11, seat=4, created=32),
        ]
        assert self.settled(calls, *rows) == (True, [])

    def test_a_group_that_one_call_may_have_made_was_made_at_once(self) -> None:
        calls = [
            Call(1, "book", SHOW, 10, seats=(3, 4)),
            refused(2, 14, 15),
            book(2, 16, 17, 20, seat=4),
            cancel(2, 18, 19, 20),
        ]
        rows = [
            self.row(10, created=12),
            self.row(20, client=2, live=False, seat=4),
            self.row(11, seat=4, created=32),
        ]
        assert self.settled(calls, *rows) == (False, [])

    def test_does_not_take_the_booking_of_a_held_seat_for_a_confirming(self) -> None:
        calls = [
            hold(1, 0, 1, 50, 3, 4),
            unknown_book(1, 2),
            Call(1, "confirm", SHOW, 4, hold=50),
            release(1, 8, 9, 50),
            book(2, 10, 11, 20, seat=4),
        ]
        rows = [
            replace(self.row(10, created=6), hold=50),
            Row(11, 1, SHOW, 4, "freed", hold=50),
            self.row(20, client=2, seat=4),
        ]
        assert self.settled_holds(calls, rows, [self.held(50, size=2, released=True)]) == (True, [])

    def test_allows_for_the_clocks_when_it_tells_who_made_a_booking(self) -> None:
        """The first call made it; by the clock of the database the second one was on its way as well."""
        calls = [unknown_book(1, 0), refused(2, 9 * MS, 10 * MS), unknown_book(1, 11 * MS)]
        assert self.settled(calls, self.row(created=12 * MS)) == (True, [])

    def test_allows_for_the_clocks_when_it_tells_who_made_a_hold(self) -> None:
        calls = [
            Call(1, "hold", SHOW, 0, seats=(3,)),
            refused(2, 9 * MS, 10 * MS, "seat_held"),
            Call(1, "hold", SHOW, 11 * MS, seats=(3,)),
        ]
        assert self.settled_holds(calls, [], [self.held(50, created=12 * MS)]) == (True, [])

    def test_one_of_several_unknown_unblockings_was_done(self) -> None:
        """The seat was held by somebody in between, so it can't have been done twice, nor by the last call."""
        calls = [
            block(0, 1, reason="Broken"),
            unblock(2, None, outcome=UNKNOWN),
            hold(1, 3, 4, 50),
            unblock(5, None, outcome=UNKNOWN),
            unblock(7, 8, outcome="not_found"),
            release(1, 9, 10, 50),
        ]
        assert self.settled_holds(calls, [self.blocked("Broken", "freed")], [self.held(50, released=True)]) == (
            True,
            [],
        )

    def test_an_unknown_unblocking_is_done_as_often_as_the_table_tells(self) -> None:
        calls = [block(0, 1, reason="Broken"), unblock(2, None, outcome=UNKNOWN), book(1, 5, 6, 10)]
        assert self.settled(calls, self.blocked("Broken", "freed"), self.row()) == (True, [])
        linearizable, _ = self.settled(calls, self.blocked("Broken", "blocked"), self.row())
        assert not linearizable

    def test_an_unknown_unblocking_may_undo_the_next_blocking(self) -> None:
        """It was on its way for long, while the second call unblocked the seat, which was then blocked anew."""
        calls = [
            block(0, 1, reason="Broken"),
            unblock(2, None, outcome=UNKNOWN),
            unblock(4, 5),
            block(6, 7, reason="Wet"),
            refused(1, 8, 9, "seat_blocked"),
            unblock(12, 13, outcome="not_found"),
            book(1, 14, 15, 10),
        ]
        rows = [self.blocked("Broken", "freed"), self.blocked("Wet", "freed"), self.row()]
        assert self.settled(calls, *rows) == (True, [])

    def test_an_unknown_blocking_may_be_done_after_the_next_one_is_undone(self) -> None:
        calls = [
            block(0, None, outcome=UNKNOWN, reason="Broken"),
            unblock(2, 3, outcome="not_found"),
            block(4, 5, reason="Wet"),
            unblock(6, 7),
            book(1, 8, 9, 10),
            cancel(1, 10, 11, 10),
        ]
        rows = [self.blocked("Wet", "freed"), self.blocked("Broken", "blocked"), self.row(live=False)]
        assert self.settled(calls, *rows) == (True, [])

    def test_an_unknown_blocking_was_done_before_its_seat_was_unblocked(self) -> None:
        calls = [
            block(0, None, outcome=UNKNOWN, reason="Broken"),
            book(1, 1, 2, 10),
            cancel(1, 3, 4, 10),
            unblock(5, 6),
        ]
        rows = [self.blocked("Broken", "freed"), self.row(live=False)]
        assert self.settled([*calls, refused(2, 7, 8, "seat_blocked")], *rows)[0] is False
        assert self.settled(calls, *rows) == (True, [])

    def test_contradicts_an_unblocking_that_was_denied(self) -> None:
        calls = [block(0, 1, reason="Broken"), unblock(2, 3, outcome="database_unavailable")]
        _, faults = self.settled(calls, self.blocked("Broken", "freed"))
        assert faults == ["The table has seat 3 of show 7 unblocked, which nobody can have done."]

    def test_contradicts_an_unblocking_that_was_not_done(self) -> None:
        linearizable, faults = self.settled(
            [block(0, 1, reason="Broken"), unblock(2, 3)], self.blocked("Broken", "blocked")
        )
        assert not linearizable
        assert faults == ["The table has seat 3 of show 7 blocked, whose unblocking was confirmed."]

    @pytest.mark.parametrize("code", ["database_unavailable", "seat_taken"])
    def test_contradicts_a_promise_that_nothing_happened(self, code: str) -> None:
        _, faults = self.settled([book(1, 0, 1, outcome=code)], self.row(created=1))
        assert faults == [
            "The table has booking 10 (client 1, show 7, seat 3), which every answer denied; "
            f"the client's calls at that time:\n    -0.000 to      0.000 ms  client 1   book seat 3: {code}"
        ]

    def test_contradicts_a_cancelling_that_was_denied(self) -> None:
        calls = [book(1, 0, 1, 10), cancel(1, 2, 3, 10, "database_unavailable")]
        _, faults = self.settled(calls, self.row(live=False))
        assert faults == ["The table has booking 10 (client 1, show 7, seat 3) cancelled, which nobody can have done."]

    def test_does_not_believe_that_a_booking_was_made_by_a_call_that_came_later(self) -> None:
        calls = [book(2, 0, 1, 11), cancel(2, 2, 3, 11), unknown_book(1, 5 + TOLERANCE)]
        _, faults = self.settled(calls, self.row(10, created=4), self.row(11, client=2, live=False))
        assert len(faults) == 1
        assert "which every answer denied" in faults[0]

    def test_does_not_believe_that_it_was_seen_before_it_was_asked_for(self) -> None:
        _, faults = self.settled([look(1, 0, 1, 10), unknown_book(1, 5)], self.row(10))
        assert len(faults) == 1

    def test_contradicts_a_lost_booking(self) -> None:
        linearizable, faults = self.settled([book(1, 0, 1, 10)])
        assert not linearizable
        assert faults == ["Booking 10 of seat 3 was confirmed, and is not in the table."]

    def test_contradicts_a_booking_of_another_seat(self) -> None:
        _, faults = self.settled([book(1, 0, 1, 10)], self.row(seat=4))
        assert faults == ["Client 1 was told of booking 10 of seat 3; it is booking 10 (client 1, show 7, seat 4)."]

    def test_contradicts_a_booking_given_to_two(self) -> None:
        _, faults = self.settled([book(1, 0, 1, 10), book(1, 2, 3, 10)], self.row())
        assert faults == ["Booking 10 was the answer to two calls."]

    def test_contradicts_a_cancelled_booking_that_lives(self) -> None:
        linearizable, faults = self.settled([book(1, 0, 1, 10), cancel(1, 2, 3, 10)], self.row())
        assert not linearizable
        assert faults == ["The table has booking 10 (client 1, show 7, seat 3) alive, whose cancelling was confirmed."]

    def test_contradicts_a_seat_sold_twice(self) -> None:
        linearizable, faults = self.settled([unknown_book(1, 0), book(2, 0, 1, 11)], self.row(), self.row(11, client=2))
        assert not linearizable
        assert len(faults) == 1
        assert faults[0].startswith("Seat 3 of show 7 is claimed 2 times: booking 10 ")


# --- Histories made by a register that is right ------------------------------------------------


class TrueRegister:
    """The seats of a show, told in another way than the checker's: who has what, by seat."""

    seats = (1, 2, 3)

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.there: dict[int, tuple[str, int, int]] = {}  # what, its number, whose
        self.was: dict[int, dict[int, int]] = {}  # what a confirmed hold has become
        self.numbers = 10

    def wish(self, client: int, now: int) -> Call:
        """Begin a call that a client may well make."""
        call = Call(client, self.chance.choice(["book", "book", "hold", "bookings", "map"]), SHOW, now)
        mine = [(what, number) for what, number, owner in self.there.values() if owner == client]
        if mine and self.chance.random() < 0.6:
            what, number = self.chance.choice(mine)
            if what == "booked":
                call.verb, call.booking = self.chance.choice(["cancel", "cancel", "move"]), number
            else:
                call.verb, call.hold = self.chance.choice(["confirm", "release"]), number
        if call.verb in ("book", "hold"):
            call.seats = tuple(sorted(self.chance.sample(self.seats, self.chance.randint(1, 2))))
        if call.verb == "move":
            call.seats = (self.chance.choice(self.seats),)
        return call

    def do(self, call: Call) -> None:
        """Do it now, and write its answer into it."""
        call.outcome = OK
        getattr(self, f"_{call.verb}")(call)

    def _number(self) -> int:
        self.numbers += 1
        return self.numbers

    def _book(self, call: Call) -> None:
        missing = [seat for seat in call.seats if not self._can_be_had(seat, call.client)]
        if missing:
            call.outcome, call.facts = "seats_unavailable", {"seat_numbers": missing}
            return
        call.bookings = {seat: self._number() for seat in call.seats}
        for seat, booking in call.bookings.items():
            self.there[seat] = "booked", booking, call.client

    def _hold(self, call: Call) -> None:
        missing = [seat for seat in call.seats if seat in self.there]
        if missing:
            call.outcome, call.facts = "seats_unavailable", {"seat_numbers": missing}
            return
        call.hold, call.expires = self._number(), LATE
        self.there |= dict.fromkeys(call.seats, ("held", call.hold, call.client))

    def _confirm(self, call: Call) -> None:
        held = [seat for seat, (what, number, _) in self.there.items() if (what, number) == ("held", call.hold)]
        call.bookings = {seat: self._number() for seat in held}
        for seat, booking in call.bookings.items():
            self.there[seat] = "booked", booking, call.client
        if not held:
            call.outcome = "busy"  # what it is told otherwise is of no interest here

    def _release(self, call: Call) -> None:
        held = [seat for seat, (what, number, _) in self.there.items() if (what, number) == ("held", call.hold)]
        for seat in held:
            del self.there[seat]
        if not held:
            call.outcome = "busy"

    def _cancel(self, call: Call) -> None:
        for seat, (what, number, _) in list(self.there.items()):
            if (what, number) == ("booked", call.booking):
                del self.there[seat]
                return
        call.outcome = "already_cancelled"

    def _move(self, call: Call) -> None:
        (target,) = call.seats
        for seat, claim in list(self.there.items()):
            if claim[:2] == ("booked", call.booking):
                if seat != target and not self._can_be_had(target, call.client):
                    call.outcome = "seat_taken" if self.there[target][0] == "booked" else "seat_held"
                else:
                    del self.there[seat]
                    self.there[target] = claim
                return
        call.outcome = "already_cancelled"

    def _bookings(self, call: Call) -> None:
        call.seen = {seat: it[1] for seat, it in self.there.items() if (it[0], it[2]) == ("booked", call.client)}

    def _map(self, call: Call) -> None:
        shown = {seat: (what, owner == call.client) for seat, (what, _, owner) in self.there.items()}
        call.seen = {seat: shown.get(seat, FREE) for seat in self.seats}

    def _can_be_had(self, seat: int, client: int) -> bool:
        what, _, owner = self.there.get(seat, ("held", 0, client))
        return what == "held" and owner == client


MOST_UNANSWERED = 10  # in a random history: of many open calls there are too many orders


def made_by_a_register(chance: random.Random, *, clients: int, calls: int, unknown: float = 0.1) -> list[Call]:
    """Let clients call at random; each call is done at one moment between its start and its end."""
    unanswered = 0
    register = TrueRegister(chance)
    history: list[Call] = []
    on_the_way: dict[int, Call] = {}
    done: set[int] = set()
    now = 10
    while len(history) < calls or on_the_way:
        now += 1
        client = chance.randrange(1, clients + 1)
        call = on_the_way.get(client)
        if call is None:
            if len(history) < calls:
                on_the_way[client] = register.wish(client, now)
                history.append(on_the_way[client])
        elif client not in done:
            done.add(client)
            register.do(call)
        else:
            done.remove(client)
            del on_the_way[client]
            # What was made is known all the same, as the table tells it afterwards.
            may_be_unknown = (
                call.outcome == OK and call.verb not in ("bookings", "map") and unanswered < MOST_UNANSWERED
            )
            if may_be_unknown and chance.random() < unknown:
                unanswered += 1
                call.outcome = OK if call.verb in ("hold", "confirm") else UNKNOWN
            else:
                call.end = now
    return history


randoms = st.randoms(use_true_random=False)
ENOUGH = 100_000  # steps, which take some seconds; a random history takes a tenth of them at most


def is_explained(history: list[Call]) -> bool:
    """Judge an example of a property; leave it out if it is undecided, of which hypothesis allows few."""
    verdicts = check(history, most_steps=ENOUGH)
    undecided = any(isinstance(verdict, Undecided) for verdict in verdicts)
    event("undecided" if undecided else "decided")
    assume(not undecided)
    return not verdicts


@settings(max_examples=60, deadline=None)
@given(randoms, st.integers(1, 6), st.integers(0, 60))
def test_what_a_register_did_is_found_right(chance: random.Random, clients: int, calls: int) -> None:
    assert is_explained(made_by_a_register(chance, clients=clients, calls=calls))


@pytest.mark.parametrize("unknown", [0.1, 0.5, 1])
def test_what_a_register_did_is_decided(unknown: float) -> None:
    for seed in range(40):
        history = made_by_a_register(random.Random(seed), clients=6, calls=60, unknown=unknown)
        assert check(history, most_steps=ENOUGH) == []


@settings(max_examples=60, deadline=None)
@given(randoms, st.integers(1, 6), st.integers(5, 60))
def test_a_second_sale_is_found_in_what_a_register_did(chance: random.Random, clients: int, calls: int) -> None:
    """A seat is sold once more when all is over, and it was not free."""
    history = made_by_a_register(chance, clients=clients, calls=calls, unknown=0)
    register = TrueRegister(chance)
    end = max(call.until for call in history) + 1
    look = Call(98, "map", SHOW, end, end + 1, OK)
    for taken in (seat for seat in register.seats if _is_taken_at_last(history, seat, look)):
        wrong = [*history, Call(99, "book", SHOW, end + 2, end + 3, OK, seats=(taken,), bookings={taken: 9999})]
        assert not is_explained(wrong)


def _is_taken_at_last(history: list[Call], seat: int, look: Call) -> bool:
    """Tell by the checker itself that the seat can't be shown as available; the last calls tell that it may not be."""
    return not is_explained([*history, replace(look, seen={seat: FREE})])


@settings(max_examples=60, deadline=None)
@given(randoms, st.integers(1, 6), st.integers(0, 60), st.sampled_from(TrueRegister.seats))
def test_two_sales_are_found_whatever_is_unknown(chance: random.Random, clients: int, calls: int, seat: int) -> None:
    """A seat is sold twice when all is over, and nobody has asked to cancel or to move the first of the bookings."""
    history = made_by_a_register(chance, clients=clients, calls=calls, unknown=0.5)
    end = max((call.end or call.start for call in history), default=0) + 1
    assert not is_explained(
        [*history, book(98, end, end + 1, 9998, seat=seat), book(99, end, end + 1, 9999, seat=seat)]
    )


@settings(max_examples=60, deadline=None)
@given(randoms, st.integers(10, 60))
def test_an_answer_of_which_half_is_untrue_is_found(chance: random.Random, calls: int) -> None:
    """Of a group, one seat is not taken: whoever looks afterwards sees it."""
    history = made_by_a_register(chance, clients=1, calls=calls, unknown=0)
    groups = [call for call in history if call.verb == "book" and call.outcome == OK and len(call.seats) == 2]
    assume(groups)
    group = groups[-1]
    before = [call for call in history if call.until <= group.until]
    seat = chance.choice(group.seats)
    shown = dict.fromkeys(group.seats, ("booked", False)) | {seat: FREE}
    wrong = [*before, Call(99, "map", SHOW, group.until + 1, group.until + 2, OK, seen=shown)]
    assert not is_explained(wrong)


def test_the_search_agrees_with_a_search_that_drops_nothing() -> None:
    found: Counter[bool] = Counter()
    for seed in range(1000):
        chance = random.Random(seed)
        history = made_by_a_register(chance, clients=chance.randint(1, 4), calls=chance.randint(3, 8), unknown=0.4)
        if seed % 4:
            spoil(history, chance)
        has_an_order = has_an_order_by_trying_all(history)
        assert (check(history) == []) == has_an_order, f"seed {seed}"
        found[has_an_order] += 1
    assert min(found[True], found[False]) > 200


def spoil(history: list[Call], chance: random.Random) -> None:
    """Let a call be at the time of another one, leave one out, and let a look see something else."""
    call, other = chance.choice(history), chance.choice(history)
    call.start, call.end = other.start, other.end if call.writes else other.until
    if chance.random() < 0.5:
        history.remove(chance.choice(history))
    looks = [call for call in history if call.verb == "map"]
    if looks and chance.random() < 0.5:
        chance.choice(looks).seen[chance.choice(TrueRegister.seats)] = chance.choice([FREE, HELD, BOOKED])


def has_an_order_by_trying_all(history: list[Call]) -> bool:
    """Tell whether the calls of a short history have an order, by trying one after the other from its beginning."""
    calls = completed([call for call in history if call.outcome != "busy"])
    register = Register(calls)
    answered = {index for index, call in enumerate(calls) if call.end is not None}
    seen, ahead = set(), [((NO_CLAIM,) * len(register.numbers), frozenset[int]())]
    while ahead:
        _, done = state = ahead.pop()
        if answered <= done:
            return True
        if state in seen:
            continue
        seen.add(state)
        first_end = min(calls[index].until for index in answered - done)
        next_ones = [index for index, call in enumerate(calls) if index not in done and call.start <= first_end]
        ahead += [(after, done | {index}) for index in next_ones for after in seats_after(register, index, state)]
    return False


def seats_after(register: Register, index: int, state: tuple[Seats, frozenset[int]]) -> Iterable[Seats]:
    """Give what the seats may be after a call; a look leaves them, if it is right."""
    call, (seats, done) = register.history[index], state
    if call.writes:
        return register.after(call, seats, lambda indices: not done.isdisjoint(indices))
    return [seats] if register.is_true(call, seats, lambda indices: not done.isdisjoint(indices)) else []


def test_thousands_of_calls_are_judged_in_moments() -> None:
    history = made_by_a_register(random.Random(1), clients=16, calls=5000, unknown=0)
    assert check(history) == []
    last = max(call.until for call in history)
    (verdict,) = check([*history, Call(99, "cancel", SHOW, last + 1, last + 2, OK, booking=7)])
    assert isinstance(verdict, Violation)
