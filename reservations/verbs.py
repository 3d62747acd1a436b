"""What each verb of the booking core writes: the parts of its statement that are its own, as text.

How they are put together and run is told in reservations.statements, which has the parts that all have in common:
``account``, ``queue`` and ``locked``. Names in braces are what the two databases spell differently.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, eq=False)
class Verb:
    """What one verb adds to the parts that all have in common."""

    wants: str
    """What it is about: the show, what refuses it, and a number of seats: how many of them the account holds already,
    how many it holds of the show, or how many the hold has."""
    written: str
    """The write that gives back claims."""
    reads: str = ""
    writes: dict[str, str] = field(default_factory=dict)
    """What is written before, by name."""
    ends: str = ""
    """What is written last, if anything was."""
    all_or_none: str = "0, %(size)s"
    """How many claims it may write."""


def filled(text: str, **parts: str) -> str:
    """Put parts into the places of a text that have their names in braces."""
    for name, part in parts.items():
        text = text.replace("{" + name + "}", part)
    return text


# --- Booking and holding ----------------------------------------------------------------------

# Which claims on the seats that are wanted stand in the way, as "7 booked,8 held".
_WANTS_SEATS = """
    wanted AS (
        SELECT CAST(%(show)s AS bigint) AS show_id,
            {listed} FILTER (WHERE NOT (status = 'held' AND ({takes}))) AS refused,
            {mine} AS mine
        FROM reservations_booking
        WHERE show_id = %(show)s AND seat_number {among} AND status IN ('booked', 'held', 'blocked')
    )
"""
_TAKE_SEATS = """
    INSERT INTO reservations_booking (user_id, show_id, seat_number, status, created_at, hold_id, expires_at)
    SELECT account.id, locked.id, seat.number, {status}, {created}, {hold}, {expires}
    FROM account, locked, {seats} AS seat {from_hold}
    WHERE locked.date_time > {clock} AND %(highest)s <= locked.total_seats
    {in_order}
    ON CONFLICT (show_id, seat_number) WHERE status IN ('booked', 'held', 'blocked') DO UPDATE
    SET user_id = excluded.user_id, status = excluded.status, created_at = excluded.created_at,
        expires_at = excluded.expires_at, hold_id = {kept_hold}
    WHERE reservations_booking.status = 'held' AND ({takes})
    RETURNING {claim}
"""
_RUN_OUT = "reservations_booking.expires_at <= {clock}"
_RUN_OUT_OR_MINE = f"{_RUN_OUT} OR reservations_booking.user_id = %(user)s"


BOOK = Verb(
    wants=filled(
        _WANTS_SEATS,
        takes=_RUN_OUT_OR_MINE,
        mine="count(*) FILTER (WHERE status = 'held' AND expires_at > {clock} AND user_id = %(user)s)",
    ),
    written=filled(
        _TAKE_SEATS,
        status="'booked'",
        created="{clock}",
        hold="CAST(NULL AS bigint)",
        expires="{never}",
        from_hold="",
        # The seat of one's own hold stays with it, as if it had been confirmed.
        kept_hold=f"CASE WHEN NOT ({_RUN_OUT}) THEN reservations_booking.hold_id END",
        takes=_RUN_OUT_OR_MINE,
    ),
)
HOLD = Verb(
    all_or_none="(SELECT count(*) FROM hold) * %(size)s",
    wants=filled(
        _WANTS_SEATS,
        takes=_RUN_OUT,
        mine="""(
            SELECT count(*) FROM reservations_booking AS held
            WHERE held.show_id = %(show)s AND held.status = 'held' AND held.expires_at > {clock}
                AND held.user_id = %(user)s
        )""",
    ),
    writes={
        "hold": """
            INSERT INTO reservations_hold (user_id, show_id, size, created_at)
            SELECT account.id, locked.id, %(size)s, {clock} FROM account, locked, wanted
            WHERE locked.date_time > {clock} AND %(highest)s <= locked.total_seats
                AND wanted.mine + %(size)s <= %(most)s
            RETURNING reservations_hold.id, reservations_hold.created_at
        """
    },
    written=filled(
        _TAKE_SEATS,
        status="'held'",
        created="{held_at}",
        hold="hold.id",
        # Of one instant, so that all of them run out at once, however long the statement waits between two.
        expires="{least}({held_until}, locked.date_time)",
        from_hold=", hold",
        kept_hold="excluded.hold_id",
        takes=_RUN_OUT,
    ),
)

# --- What becomes of a hold -------------------------------------------------------------------

_WANTS_HOLD = """
    wanted AS (
        SELECT show_id, CAST(NULL AS text) AS refused, size AS mine, created_at FROM reservations_hold
        WHERE id = %(hold)s AND user_id = %(user)s AND released_at IS NULL
    )
"""
# The clock is read when all claims are locked: nobody else can have taken one over before its hold had run out.
_HELD = """
    held AS (
        SELECT reservations_booking.id, reservations_booking.expires_at AS ends
        FROM reservations_booking JOIN locked ON locked.id = show_id
        WHERE hold_id = %(hold)s AND status = 'held' ORDER BY seat_number {lock_claims}
    ),
    moment AS {materialized} (SELECT min(ends) AS ends, {clock} AS now FROM held),
    may AS (
        SELECT moment.now, locked.date_time, locked.id AS show_id FROM account, locked, moment
        WHERE moment.ends > moment.now AND locked.date_time > moment.now
    )
"""
CONFIRM = Verb(
    wants=_WANTS_HOLD,
    reads=_HELD,
    written="""
        UPDATE reservations_booking SET status = 'booked', expires_at = NULL, created_at = may.now
        FROM may, held WHERE reservations_booking.id = held.id RETURNING {claim}
    """,
)
EXTEND = Verb(
    wants=_WANTS_HOLD,
    reads=_HELD,
    written="""
        UPDATE reservations_booking
        SET expires_at = {greatest}(expires_at, {least}({extended_until}, {latest}, may.date_time))
        FROM may, held, wanted WHERE reservations_booking.id = held.id RETURNING {claim}
    """,
)
RELEASE = Verb(
    wants=_WANTS_HOLD,
    reads=_HELD,
    written="""
        UPDATE reservations_booking SET status = 'freed', expires_at = NULL
        FROM may, held WHERE reservations_booking.id = held.id RETURNING {claim}
    """,
    ends="""
        UPDATE reservations_hold SET released_at = {clock}
        WHERE reservations_hold.id = %(hold)s AND EXISTS (SELECT 1 FROM written)
    """,
)

# --- What becomes of a booking ----------------------------------------------------------------

CANCEL = Verb(
    wants="""
        wanted AS (
            SELECT show_id, CASE WHEN status <> 'booked' THEN status END AS refused, 0 AS mine
            FROM reservations_booking
            WHERE id = %(booking)s AND user_id = %(user)s AND status IN ('booked', 'cancelled')
        )
    """,
    written="""
        UPDATE reservations_booking SET status = 'cancelled', cancelled_at = {clock} FROM account, locked
        WHERE reservations_booking.id = %(booking)s AND reservations_booking.user_id = account.id
            AND status = 'booked' AND locked.date_time > {clock}
        RETURNING {claim}
    """,
)
_ON_TARGET = """
    FROM reservations_booking AS other
    WHERE other.show_id = booking.show_id AND other.seat_number = %(seat)s AND other.id <> booking.id
        AND other.status IN ('booked', 'held', 'blocked')
"""
_TAKES_TARGET = "other.status = 'held' AND (other.expires_at <= {clock} OR other.user_id = %(user)s)"
MOVE = Verb(
    wants=f"""
        wanted AS (
            SELECT show_id,
                CASE WHEN status <> 'booked' THEN status ELSE
                    (SELECT other.seat_number || ' ' || other.status {_ON_TARGET} AND NOT ({_TAKES_TARGET}))
                END AS refused,
                (SELECT count(*) {_ON_TARGET} AND other.status = 'held' AND other.expires_at > {{clock}}) AS mine
            FROM reservations_booking AS booking
            WHERE id = %(booking)s AND user_id = %(user)s AND status IN ('booked', 'cancelled')
        )
    """,
    reads="""
        mover AS (
            SELECT reservations_booking.id, reservations_booking.show_id, reservations_booking.seat_number
            FROM reservations_booking, account, locked
            WHERE reservations_booking.id = %(booking)s AND reservations_booking.user_id = account.id
                AND status = 'booked' AND locked.date_time > {clock} AND %(seat)s <= locked.total_seats
            {lock_claims}
        )
    """,
    writes={
        "cleared": """
            UPDATE reservations_booking SET status = 'freed', expires_at = NULL,
                hold_id = CASE WHEN user_id = %(user)s THEN hold_id END  -- one's own is used up, as if confirmed
            FROM mover
            WHERE reservations_booking.show_id = mover.show_id AND reservations_booking.seat_number = %(seat)s
                AND status = 'held' AND (expires_at <= {clock} OR user_id = %(user)s)
            RETURNING reservations_booking.id
        """,
        # What tells that the seat which is left has changed.
        "leaves": """
            INSERT INTO reservations_booking (show_id, seat_number, status, created_at)
            SELECT show_id, seat_number, 'freed', {clock} FROM mover WHERE seat_number <> %(seat)s
            RETURNING reservations_booking.id
        """,
    },
    written="""
        UPDATE reservations_booking SET seat_number = %(seat)s FROM mover, (SELECT count(*) FROM cleared) AS first
        WHERE reservations_booking.id = mover.id RETURNING {claim}
    """,
)
