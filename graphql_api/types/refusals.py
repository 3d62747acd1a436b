"""Refusals as clients see them; ``Refused`` is for those without facts."""

import strawberry


@strawberry.interface(description="Why something was not done. Nothing happened.")
class Refusal:
    code: str = strawberry.field(description="For programs; the same as in REST, and it stays.")
    message: str = strawberry.field(description="For people; it may change.")


@strawberry.type(description="A refusal that has no facts besides its code.")
class Refused(Refusal):
    pass


@strawberry.type(description="What is wrong with one field of the input.")
class FieldError:
    field: str = strawberry.field(description="The name of the field; `non_field_errors` if it is about several.")
    messages: list[str] = strawberry.field(description="What is wrong with it; for people.")


@strawberry.type(description="`invalid`: the input breaks a rule of shape.")
class InvalidInput(Refusal):
    fields: list[FieldError] = strawberry.field(description="The fields that are wrong.")


@strawberry.type(description="`throttled`: too many tries.")
class Throttled(Refusal):
    retry_after: int = strawberry.field(description="Seconds to wait.")


@strawberry.type(description="`seat_taken`: somebody has the seat; the show still has others.")
class SeatTaken(Refusal):
    seat_number: int = strawberry.field(description="The seat.")


@strawberry.type(description="`seat_out_of_range`: the show has no seat of this number.")
class SeatOutOfRange(Refusal):
    min: int = strawberry.field(description="The lowest number.")
    max: int = strawberry.field(description="The highest number.")


@strawberry.type(description="`seat_held`: somebody else holds the seat; it may become available again.")
class SeatHeld(Refusal):
    seat_number: int = strawberry.field(description="The seat.")


@strawberry.type(description="`seat_blocked`: the seat is not for sale.")
class SeatBlocked(Refusal):
    seat_number: int = strawberry.field(description="The seat.")


@strawberry.type(description="`seats_unavailable`: some of the seats are not available; none was taken.")
class SeatsUnavailable(Refusal):
    seat_numbers: list[int] = strawberry.field(description="The seats that are not available, ascending.")


@strawberry.type(description="`too_many_held`: the account would hold too many seats of the show.")
class TooManyHeld(Refusal):
    limit: int = strawberry.field(description="How many seats of a show an account may hold.")
    held: int = strawberry.field(description="How many it holds already.")
