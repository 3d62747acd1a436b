"""What can be done. Each resolver asks who and what, and calls the domain once."""

import strawberry

from core import accounts
from graphql_api import inputs
from graphql_api.context import Info
from graphql_api.global_ids import global_id, number_of
from reservations.booking import book_seat, book_seats, cancel_booking, move_booking
from reservations.holds import confirm_hold, extend_hold, hold_seats, release_hold


@strawberry.type
class Mutation:
    @strawberry.mutation(description="Open an account.")
    def signup(self, info: Info, input: inputs.SignupInput) -> inputs.SignupResult:
        return accounts.sign_up(
            username=input.username, password=input.password, email=input.email, address=info.context.address
        )  # type: ignore[return-value]

    @strawberry.mutation(description="Exchange a name and a password for a pair of tokens.")
    def login(self, info: Info, input: inputs.LoginInput) -> inputs.LoginResult:
        pair = accounts.log_in(username=input.username, password=input.password, address=info.context.address)
        return inputs.TokenPair(access=pair.access, refresh=pair.refresh)

    @strawberry.mutation(description="Exchange a refresh token for a new pair; the old one is spent.")
    def refresh_token(self, info: Info, input: inputs.RefreshTokenInput) -> inputs.RefreshTokenResult:
        pair = accounts.refresh(token=input.refresh, address=info.context.address)
        return inputs.TokenPair(access=pair.access, refresh=pair.refresh)

    @strawberry.mutation(description="Spend a refresh token.")
    def logout(self, input: inputs.LogoutInput) -> inputs.LogoutResult:
        accounts.log_out(token=input.refresh)
        return inputs.LoggedOut()

    @strawberry.mutation(description="Book a seat of a show. Needs a token. A booking in the answer is durable.")
    def book_seat(self, info: Info, input: inputs.BookSeatInput) -> inputs.BookSeatResult:
        return info.context.note_replay(
            lambda: book_seat(
                user=info.context.bearer_or_refuse(),
                show_id=number_of(input.show_id, "Show"),
                seat_number=input.seat_number,
                idempotency_key=input.idempotency_key,
            )
        )  # type: ignore[return-value]

    @strawberry.mutation(description="Cancel one's own booking; its seat is free at once. Needs a token.")
    def cancel_booking(self, info: Info, input: inputs.CancelBookingInput) -> inputs.CancelBookingResult:
        return info.context.note_replay(
            lambda: cancel_booking(
                user=info.context.bearer_or_refuse(),
                booking_id=number_of(input.booking_id, "Booking"),
                idempotency_key=input.idempotency_key,
            )
        )  # type: ignore[return-value]

    @strawberry.mutation(
        description="Book several seats of a show, all or none. Needs a token. Bookings in the answer are durable."
    )
    def book_seats(self, info: Info, input: inputs.BookSeatsInput) -> inputs.BookSeatsResult:
        bookings = info.context.note_replay(
            lambda: book_seats(
                user=info.context.bearer_or_refuse(),
                show_id=number_of(input.show_id, "Show"),
                seat_numbers=input.seat_numbers,
                best=input.best,
                allow_split=input.allow_split,
                idempotency_key=input.idempotency_key,
            )
        )
        return inputs.BookedSeats(bookings=bookings)  # type: ignore[arg-type]

    @strawberry.mutation(
        description="Give one's own booking another seat of its show; it has the one or the other at any moment. "
        "Needs a token."
    )
    def move_booking(self, info: Info, input: inputs.MoveBookingInput) -> inputs.MoveBookingResult:
        return info.context.note_replay(
            lambda: move_booking(
                user=info.context.bearer_or_refuse(),
                booking_id=number_of(input.booking_id, "Booking"),
                seat_number=input.seat_number,
                idempotency_key=input.idempotency_key,
            )
        )  # type: ignore[return-value]

    @strawberry.mutation(
        description="Keep several seats of a show for oneself, all or none, until `expiresAt`: the time to pay. "
        "They are nobody else's. Needs a token."
    )
    def hold_seats(self, info: Info, input: inputs.HoldSeatsInput) -> inputs.HoldSeatsResult:
        return info.context.note_replay(
            lambda: hold_seats(
                user=info.context.bearer_or_refuse(),
                show_id=number_of(input.show_id, "Show"),
                seat_numbers=input.seat_numbers,
                best=input.best,
                allow_split=input.allow_split,
                idempotency_key=input.idempotency_key,
            )
        )  # type: ignore[return-value]

    @strawberry.mutation(
        description="Book the seats of one's own hold; asked for again, give the same bookings. Needs a token."
    )
    def confirm_hold(self, info: Info, input: inputs.ConfirmHoldInput) -> inputs.ConfirmHoldResult:
        bookings = info.context.note_replay(
            lambda: confirm_hold(
                user=info.context.bearer_or_refuse(),
                hold_id=number_of(input.hold_id, "Hold"),
                idempotency_key=input.idempotency_key,
            )
        )
        return inputs.BookedSeats(bookings=bookings)  # type: ignore[arg-type]

    @strawberry.mutation(
        description="Let one's own hold last for its whole time again, but not longer in all than the service allows, "
        "nor beyond the show's beginning. Needs a token."
    )
    def extend_hold(self, info: Info, input: inputs.ExtendHoldInput) -> inputs.ExtendHoldResult:
        return info.context.note_replay(
            lambda: extend_hold(
                user=info.context.bearer_or_refuse(),
                hold_id=number_of(input.hold_id, "Hold"),
                idempotency_key=input.idempotency_key,
            )
        )  # type: ignore[return-value]

    @strawberry.mutation(description="Give the seats of one's own hold back; they are free at once. Needs a token.")
    def release_hold(self, info: Info, input: inputs.ReleaseHoldInput) -> inputs.ReleaseHoldResult:
        released = info.context.note_replay(
            lambda: release_hold(
                user=info.context.bearer_or_refuse(),
                hold_id=number_of(input.hold_id, "Hold"),
                idempotency_key=input.idempotency_key,
            )
        )
        return inputs.ReleasedHold(id=strawberry.ID(global_id("Hold", released.hold_id)))
