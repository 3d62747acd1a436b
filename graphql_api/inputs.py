"""What the mutations take, and what they answer."""

from typing import Annotated

import strawberry

from graphql_api.errors import (
    InvalidInput,
    NoAdjacentSeats,
    Refused,
    SeatBlocked,
    SeatHeld,
    SeatOutOfRange,
    SeatsUnavailable,
    SeatTaken,
    Throttled,
    TooManyHeld,
)
from graphql_api.types import Booking, Hold, User


@strawberry.type(description="A short-lived access token and the refresh token that renews it, once.")
class TokenPair:
    access: str = strawberry.field(description="Send it as `Authorization: Bearer …`; it holds for 15 minutes.")
    refresh: str = strawberry.field(description="Exchange it with `refreshToken`, once; it holds for 7 days.")


@strawberry.type(description="The refresh token is spent.")
class LoggedOut:
    ok: bool = strawberry.field(default=True, description="Always true.")


@strawberry.input(description="A new account.")
class SignupInput:
    username: str = strawberry.field(
        description="1 to 150 ASCII letters, digits and @ . + - _; unique without regard to case."
    )
    password: str = strawberry.field(
        description="8 to 1000 characters, not common, not all digits, not like the name; taken as it is."
    )
    email: str = strawberry.field(default="", description="May be left out; unique without regard to case.")


@strawberry.input(description="The credentials of an account.")
class LoginInput:
    username: str = strawberry.field(description="Without regard to case.")
    password: str = strawberry.field(description="Taken as it is: spaces count.")


@strawberry.input(description="A refresh token to exchange.")
class RefreshTokenInput:
    refresh: str = strawberry.field(description="The refresh token of the pair.")


@strawberry.input(description="A refresh token to spend.")
class LogoutInput:
    refresh: str = strawberry.field(description="The refresh token of the pair.")


_KEY = (
    "1 to 255 visible ASCII characters that name this request, the same as REST's `Idempotency-Key`. Whoever sends it "
    "again within 24 hours is told the first outcome, and nothing is done twice."
)


@strawberry.type(description="The bookings that were made together.")
class BookedSeats:
    bookings: list[Booking] = strawberry.field(description="One for each seat, 1 to 10, by the seats' numbers.")


@strawberry.type(description="The hold is over; its seats are free.")
class ReleasedHold:
    id: strawberry.ID = strawberry.field(description="The `id` that the hold had.")


@strawberry.input(description="Which seat to book.")
class BookSeatInput:
    show_id: strawberry.ID = strawberry.field(description="The `id` of the show.")
    seat_number: int = strawberry.field(description="1 to the show's `totalSeats`.")
    idempotency_key: str | None = strawberry.field(default=None, description=_KEY)


@strawberry.input(description="Which booking to cancel.")
class CancelBookingInput:
    booking_id: strawberry.ID = strawberry.field(description="The `id` of the booking.")
    idempotency_key: str | None = strawberry.field(default=None, description=_KEY)


_SHOW_ID = "The `id` of the show."
_SEAT_NUMBERS = "1 to 10 different seats, each 1 to the show's `totalSeats`; either these or `best`."
_BEST = "1 to 10: how many, the service choosing them as `bestSeats` does; either this or `seatNumbers`."
_ALLOW_SPLIT = "With `best`: whether they may be in several parts, if need be."
_HOLD_ID = "The `id` of the hold."


@strawberry.input(description="Which seats to book, all or none.")
class BookSeatsInput:
    show_id: strawberry.ID = strawberry.field(description=_SHOW_ID)
    seat_numbers: list[int] | None = strawberry.field(default=None, description=_SEAT_NUMBERS)
    best: int | None = strawberry.field(default=None, description=_BEST)
    allow_split: bool = strawberry.field(default=False, description=_ALLOW_SPLIT)
    idempotency_key: str | None = strawberry.field(default=None, description=_KEY)


@strawberry.input(description="Which seats to hold, all or none.")
class HoldSeatsInput(BookSeatsInput):
    pass


@strawberry.input(description="Which hold to confirm.")
class ConfirmHoldInput:
    hold_id: strawberry.ID = strawberry.field(description=_HOLD_ID)
    idempotency_key: str | None = strawberry.field(default=None, description=_KEY)


@strawberry.input(description="Which hold to extend.")
class ExtendHoldInput(ConfirmHoldInput):
    pass


@strawberry.input(description="Which hold to release.")
class ReleaseHoldInput(ConfirmHoldInput):
    pass


@strawberry.input(description="Which booking to move, and where to.")
class MoveBookingInput:
    booking_id: strawberry.ID = strawberry.field(description="The `id` of the booking.")
    seat_number: int = strawberry.field(description="The seat that it is to have; 1 to the show's `totalSeats`.")
    idempotency_key: str | None = strawberry.field(default=None, description=_KEY)


SignupResult = Annotated[
    User | InvalidInput | Throttled | Refused,
    strawberry.union(
        "SignupResult",
        description="The new account, or why there is none.",
    ),
]
LoginResult = Annotated[
    TokenPair | Throttled | Refused,
    strawberry.union(
        "LoginResult",
        description="The tokens, or why there are none: `no_active_account`.",
    ),
]
RefreshTokenResult = Annotated[
    TokenPair | Throttled | Refused,
    strawberry.union(
        "RefreshTokenResult",
        description="The new tokens, or why there are none: `token_not_valid`.",
    ),
]
LogoutResult = Annotated[
    LoggedOut | Refused,
    strawberry.union(
        "LogoutResult",
        description="That it is done, or why not: `token_not_valid`.",
    ),
]
BookSeatResult = Annotated[
    Booking | SeatTaken | SeatHeld | SeatBlocked | SeatOutOfRange | Refused,
    strawberry.union(
        "BookSeatResult",
        description="The booking, or why there is none: `not_found`, `show_full`, `show_started` and others.",
    ),
]
CancelBookingResult = Annotated[
    Booking | Refused,
    strawberry.union(
        "CancelBookingResult",
        description="The booking, or why it stays: `not_found`, `already_cancelled`, `show_started`.",
    ),
]
BookSeatsResult = Annotated[
    BookedSeats | SeatsUnavailable | NoAdjacentSeats | SeatOutOfRange | InvalidInput | Refused,
    strawberry.union(
        "BookSeatsResult",
        description="The bookings, or why there are none: `not_found`, `show_full`, `show_started` and others.",
    ),
]
HoldSeatsResult = Annotated[
    Hold | SeatsUnavailable | NoAdjacentSeats | TooManyHeld | SeatOutOfRange | InvalidInput | Refused,
    strawberry.union(
        "HoldSeatsResult",
        description="The hold, or why there is none: `not_found`, `show_full`, `show_started` and others.",
    ),
]
ConfirmHoldResult = Annotated[
    BookedSeats | Refused,
    strawberry.union(
        "ConfirmHoldResult",
        description="The bookings, or why there are none: `not_found`, `hold_expired`, `show_started`.",
    ),
]
ExtendHoldResult = Annotated[
    Hold | Refused,
    strawberry.union(
        "ExtendHoldResult",
        description="The hold, or why not: `not_found`, `hold_expired`, `hold_confirmed`, `show_started`.",
    ),
]
ReleaseHoldResult = Annotated[
    ReleasedHold | Refused,
    strawberry.union(
        "ReleaseHoldResult",
        description="That it is done, or why not: `not_found`, `hold_expired`, `hold_confirmed`, `show_started`.",
    ),
]
MoveBookingResult = Annotated[
    Booking | SeatTaken | SeatHeld | SeatBlocked | SeatOutOfRange | Refused,
    strawberry.union(
        "MoveBookingResult",
        description="The booking, or why it stays: `not_found`, `already_cancelled`, `show_started`.",
    ),
]
