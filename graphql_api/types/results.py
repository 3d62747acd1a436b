"""The results of the mutations, as unions with refusals."""

from typing import Annotated

from strawberry import union

from graphql_api.types.accounts import LoggedOut, TokenPair, User
from graphql_api.types.bookings import BookedSeats, Booking, Hold, ReleasedHold
from graphql_api.types.catalog import NoAdjacentSeats
from graphql_api.types.refusals import (
    InvalidInput,
    Refused,
    SeatBlocked,
    SeatHeld,
    SeatOutOfRange,
    SeatsUnavailable,
    SeatTaken,
    Throttled,
    TooManyHeld,
)

SignupResult = Annotated[
    User | InvalidInput | Throttled | Refused,
    union("SignupResult", description="The new account, or why there is none."),
]
LoginResult = Annotated[
    TokenPair | Throttled | Refused,
    union("LoginResult", description="The tokens, or why there are none."),
]
RefreshTokenResult = Annotated[
    TokenPair | Throttled | Refused,
    union("RefreshTokenResult", description="The new tokens, or why there are none."),
]
LogoutResult = Annotated[
    LoggedOut | Refused,
    union("LogoutResult", description="That it is done, or why not."),
]
BookSeatResult = Annotated[
    Booking | SeatTaken | SeatHeld | SeatBlocked | SeatOutOfRange | Refused,
    union("BookSeatResult", description="The booking, or why there is none."),
]
CancelBookingResult = Annotated[
    Booking | Refused,
    union("CancelBookingResult", description="The booking, or why it is unchanged."),
]
BookSeatsResult = Annotated[
    BookedSeats | SeatsUnavailable | NoAdjacentSeats | SeatOutOfRange | InvalidInput | Refused,
    union("BookSeatsResult", description="The bookings, or why there are none."),
]
HoldSeatsResult = Annotated[
    Hold | SeatsUnavailable | NoAdjacentSeats | TooManyHeld | SeatOutOfRange | InvalidInput | Refused,
    union("HoldSeatsResult", description="The hold, or why there is none."),
]
ConfirmHoldResult = Annotated[
    BookedSeats | Refused,
    union("ConfirmHoldResult", description="The bookings, or why there are none."),
]
ExtendHoldResult = Annotated[
    Hold | Refused,
    union("ExtendHoldResult", description="The hold, or why it is unchanged."),
]
ReleaseHoldResult = Annotated[
    ReleasedHold | Refused,
    union("ReleaseHoldResult", description="The hold's `id`, or why it is unchanged."),
]
MoveBookingResult = Annotated[
    Booking | SeatTaken | SeatHeld | SeatBlocked | SeatOutOfRange | Refused,
    union("MoveBookingResult", description="The booking, or why it is unchanged."),
]
