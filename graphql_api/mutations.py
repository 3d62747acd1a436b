"""The mutations and their results; each calls one function of the domain."""

from collections.abc import Callable
from typing import Annotated, Any

import strawberry
from strawberry import mutation, union

from core import accounts
from core.errors import DomainError, LockNotAvailable
from core.observability.metrics import count_operation
from graphql_api import inputs
from graphql_api.context import Info
from graphql_api.global_ids import global_id, number_of
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
from reservations.booking import book_seat, book_seats, cancel_booking, move_booking
from reservations.holds import confirm_hold, extend_hold, hold_seats, release_hold

# --- Results ---------------------------------------------------------------------------------

SignupResult = Annotated[
    User | InvalidInput | Throttled | Refused,
    union("SignupResult", description="The new account, or why there is none."),
]
LoginResult = Annotated[
    TokenPair | Throttled | Refused, union("LoginResult", description="The tokens, or why there are none.")
]
RefreshTokenResult = Annotated[
    TokenPair | Throttled | Refused, union("RefreshTokenResult", description="The new tokens, or why there are none.")
]
LogoutResult = Annotated[LoggedOut | Refused, union("LogoutResult", description="That it is done, or why not.")]
BookSeatResult = Annotated[
    Booking | SeatTaken | SeatHeld | SeatBlocked | SeatOutOfRange | Refused,
    union("BookSeatResult", description="The booking, or why there is none."),
]
CancelBookingResult = Annotated[
    Booking | Refused, union("CancelBookingResult", description="The booking, or why it is unchanged.")
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
    BookedSeats | Refused, union("ConfirmHoldResult", description="The bookings, or why there are none.")
]
ExtendHoldResult = Annotated[Hold | Refused, union("ExtendHoldResult", description="The hold, or why it is unchanged.")]
ReleaseHoldResult = Annotated[
    ReleasedHold | Refused, union("ReleaseHoldResult", description="The hold's `id`, or why it is unchanged.")
]
MoveBookingResult = Annotated[
    Booking | SeatTaken | SeatHeld | SeatBlocked | SeatOutOfRange | Refused,
    union("MoveBookingResult", description="The booking, or why it is unchanged."),
]


# --- Mutations -------------------------------------------------------------------------------

TYPES_OF_IDS = {"show_id": "Show", "booking_id": "Booking", "hold_id": "Hold"}


def call(info: Info, operation: str, function: Callable[..., Any], **arguments: Any) -> Any:
    """Call a function of the domain, and count its outcome."""
    try:
        result = function(**arguments)
    except LockNotAvailable as refusal:
        info.context.lock_not_available = refusal
        raise  # and counted when core.server has tried again
    except DomainError as refusal:
        info.context.replayed = refusal.replayed
        count_operation(operation, "replayed" if refusal.replayed else refusal.code, "graphql")
        raise
    info.context.replayed = getattr(result, "replayed", False)
    count_operation(operation, "replayed" if info.context.replayed else "done", "graphql")
    return result


def call_as_user(info: Info, operation: str, function: Callable[..., Any], input: Any) -> Any:
    """Call a function of the domain as the token's account.

    Its arguments are named as the fields of the input.

    :raises NotAuthenticated: no token was sent.
    """
    arguments = {
        name: number_of(value, TYPES_OF_IDS[name]) if name in TYPES_OF_IDS else value
        for name, value in vars(input).items()
    }
    return call(info, operation, function, user=info.context.require_bearer(), **arguments)


@strawberry.type
class Mutation:
    @mutation(description="Open an account.")
    def signup(self, info: Info, input: inputs.SignupInput) -> SignupResult:
        return call(info, "signup", accounts.sign_up, address=info.context.address, **vars(input))  # type: ignore[no-any-return]

    @mutation(description="Exchange a name and a password for a pair of tokens.")
    def login(self, info: Info, input: inputs.LoginInput) -> LoginResult:
        pair = call(info, "login", accounts.log_in, address=info.context.address, **vars(input))
        return TokenPair(access=pair.access, refresh=pair.refresh)

    @mutation(description="Exchange a refresh token for a new pair; the old one is spent.")
    def refresh_token(self, info: Info, input: inputs.RefreshTokenInput) -> RefreshTokenResult:
        pair = call(info, "refresh", accounts.refresh, token=input.refresh, address=info.context.address)
        return TokenPair(access=pair.access, refresh=pair.refresh)

    @mutation(description="Spend a refresh token.")
    def logout(self, info: Info, input: inputs.LogoutInput) -> LogoutResult:
        call(info, "logout", accounts.log_out, token=input.refresh)
        return LoggedOut()

    @mutation(description="Book a seat of a show. Needs a token. A booking in the answer is durable.")
    def book_seat(self, info: Info, input: inputs.BookSeatInput) -> BookSeatResult:
        return call_as_user(info, "book", book_seat, input)  # type: ignore[no-any-return]

    @mutation(description="Cancel one's own booking; its seat is available at once. Needs a token.")
    def cancel_booking(self, info: Info, input: inputs.CancelBookingInput) -> CancelBookingResult:
        return call_as_user(info, "cancel", cancel_booking, input)  # type: ignore[no-any-return]

    @mutation(
        description="Book several seats of a show, all or none. Needs a token. Bookings in the answer are durable."
    )
    def book_seats(self, info: Info, input: inputs.BookSeatsInput) -> BookSeatsResult:
        return BookedSeats(bookings=call_as_user(info, "book_seats", book_seats, input))

    @mutation(
        description="Give one's own booking another seat of its show; at any moment it has one of the two. "
        "Needs a token."
    )
    def move_booking(self, info: Info, input: inputs.MoveBookingInput) -> MoveBookingResult:
        return call_as_user(info, "move", move_booking, input)  # type: ignore[no-any-return]

    @mutation(
        description="Hold several seats of a show for oneself, all or none, until `expiresAt`: the time to pay. "
        "Nobody else can book them. Needs a token."
    )
    def hold_seats(self, info: Info, input: inputs.HoldSeatsInput) -> HoldSeatsResult:
        return call_as_user(info, "hold", hold_seats, input)  # type: ignore[no-any-return]

    @mutation(description="Book the seats of one's own hold; repeated, it gives the same bookings. Needs a token.")
    def confirm_hold(self, info: Info, input: inputs.ConfirmHoldInput) -> ConfirmHoldResult:
        return BookedSeats(bookings=call_as_user(info, "confirm", confirm_hold, input))

    @mutation(
        description="Let one's own hold last for its whole time again, within the longest time that the service allows "
        "and until the show begins. Needs a token."
    )
    def extend_hold(self, info: Info, input: inputs.ExtendHoldInput) -> ExtendHoldResult:
        return call_as_user(info, "extend", extend_hold, input)  # type: ignore[no-any-return]

    @mutation(description="Give the seats of one's own hold back; they are available at once. Needs a token.")
    def release_hold(self, info: Info, input: inputs.ReleaseHoldInput) -> ReleaseHoldResult:
        released = call_as_user(info, "release", release_hold, input)
        return ReleasedHold(id=strawberry.ID(global_id("Hold", released.hold_id)))
