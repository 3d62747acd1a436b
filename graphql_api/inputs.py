"""The inputs of the mutations."""

import strawberry

_SHOW_ID = "The `id` of the show."
_SEAT_NUMBERS = "1 to 10 different seats, each 1 to the show's `totalSeats`; either these or `best`."
_BEST = "1 to 10: how many, the service choosing them as `bestSeats` does; either this or `seatNumbers`."
_ALLOW_SPLIT = "With `best`: whether they may be in several parts, if need be."
_HOLD_ID = "The `id` of the hold."
_KEY = (
    "1 to 255 visible ASCII characters that name this request, the same as REST's `Idempotency-Key`. A request that is "
    "sent again with it within 24 hours gets the first outcome, and nothing is done twice."
)


@strawberry.input(description="A new account.")
class SignupInput:
    username: str = strawberry.field(
        description="1 to 150 ASCII letters, digits and @ . + - _; unique without regard to case."
    )
    password: str = strawberry.field(
        description="8 to 1000 characters, not common, not all digits, not like the name; taken unchanged."
    )
    email: str = strawberry.field(default="", description="May be left out; unique without regard to case.")


@strawberry.input(description="The credentials of an account.")
class LoginInput:
    username: str = strawberry.field(description="Without regard to case.")
    password: str = strawberry.field(description="Taken unchanged: spaces count.")


@strawberry.input(description="A refresh token to exchange.")
class RefreshTokenInput:
    refresh: str = strawberry.field(description="The refresh token of the pair.")


@strawberry.input(description="A refresh token to spend.")
class LogoutInput:
    refresh: str = strawberry.field(description="The refresh token of the pair.")


@strawberry.input(description="Which seat to book.")
class BookSeatInput:
    show_id: strawberry.ID = strawberry.field(description=_SHOW_ID)
    seat_number: int = strawberry.field(description="1 to the show's `totalSeats`.")
    idempotency_key: str | None = strawberry.field(default=None, description=_KEY)


@strawberry.input(description="Which seats to book, all or none.")
class BookSeatsInput:
    show_id: strawberry.ID = strawberry.field(description=_SHOW_ID)
    seat_numbers: list[int] | None = strawberry.field(default=None, description=_SEAT_NUMBERS)
    best: int | None = strawberry.field(default=None, description=_BEST)
    allow_split: bool = strawberry.field(default=False, description=_ALLOW_SPLIT)
    idempotency_key: str | None = strawberry.field(default=None, description=_KEY)


@strawberry.input(description="Which booking to cancel.")
class CancelBookingInput:
    booking_id: strawberry.ID = strawberry.field(description="The `id` of the booking.")
    idempotency_key: str | None = strawberry.field(default=None, description=_KEY)


@strawberry.input(description="Which booking to move, and where to.")
class MoveBookingInput:
    booking_id: strawberry.ID = strawberry.field(description="The `id` of the booking.")
    seat_number: int = strawberry.field(description="Its new seat; 1 to the show's `totalSeats`.")
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
