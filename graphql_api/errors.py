"""How a refusal leaves by GraphQL: as data where it answers the question, as an error where nothing was answered.

A refusal without facts of its own needs nothing in here.
"""

import logging
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from django.conf import settings
from django.db import DatabaseError, InterfaceError
from graphql import GraphQLError
from strawberry.utils.str_converters import to_camel_case

from catalog import models as catalog
from core import errors
from core.database import refusal_of
from core.errors import DomainError, Kind
from graphql_api.loaders import Peers
from reservations import best_seats, booking, holds

if TYPE_CHECKING:
    from graphql_api.types import Show

log = logging.getLogger(__name__)


@strawberry.interface(description="Why something was not done. Nothing happened.")
class Refusal:
    code: str = strawberry.field(description="For programs; the same as in REST, and it stays.")
    message: str = strawberry.field(description="For people; it may change.")


@strawberry.type(description="A refusal that its code tells all about.")
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


@strawberry.type(description="`seat_held`: somebody else holds the seat; it may come back.")
class SeatHeld(Refusal):
    seat_number: int = strawberry.field(description="The seat.")


@strawberry.type(description="`seat_blocked`: the seat is not for sale.")
class SeatBlocked(Refusal):
    seat_number: int = strawberry.field(description="The seat.")


@strawberry.type(description="`seats_unavailable`: some of the seats are not to be had; none was taken.")
class SeatsUnavailable(Refusal):
    seat_numbers: list[int] = strawberry.field(description="Those that are not, ascending.")


@strawberry.type(description="`no_adjacent_seats`: there are not so many available seats together.")
class NoAdjacentSeats(Refusal):
    largest_block: int = strawberry.field(description="The most available seats that are adjacent in one row.")
    alternatives: list[Annotated["Show", strawberry.lazy("graphql_api.types")]] = strawberry.field(
        description="Later shows of the film that have so many together; at most 3, earliest first."
    )


@strawberry.type(description="`too_many_held`: the account would hold too many seats of the show.")
class TooManyHeld(Refusal):
    limit: int = strawberry.field(description="How many seats of a show an account may hold.")
    held: int = strawberry.field(description="How many it holds already.")


# The types of the refusals with facts; every other is Refused.
_TYPES: dict[type[DomainError], Any] = {
    errors.Throttled: Throttled,
    booking.SeatTaken: SeatTaken,
    booking.SeatHeld: SeatHeld,
    booking.SeatBlocked: SeatBlocked,
    booking.SeatOutOfRange: SeatOutOfRange,
    booking.SeatsUnavailable: SeatsUnavailable,
    best_seats.NoAdjacentSeats: NoAdjacentSeats,
    holds.TooManyHeld: TooManyHeld,
}


def in_full(refusals: Iterable[best_seats.NoAdjacentSeats]) -> list[NoAdjacentSeats]:
    """Give refusals as data, with the shows that they name: one statement for all."""
    told = [*refusals]
    numbers = {alternative["id"] for refusal in told for alternative in refusal.alternatives}
    shows = {show.pk: show for show in Peers(catalog.Show.objects.filter(pk__in=numbers)).rows}
    return [
        NoAdjacentSeats(
            code=refusal.code,
            message=str(refusal),
            largest_block=refusal.largest_block,
            # One that was deleted since is left out.
            alternatives=[shows[each["id"]] for each in refusal.alternatives if each["id"] in shows],  # type: ignore[misc]
        )
        for refusal in told
    ]


def _answer(refusal: DomainError) -> Refusal | None:
    """Give the refusal as data; None where it is no answer."""
    if refusal.kind is Kind.UNAVAILABLE or isinstance(refusal, errors.NotAuthenticated | errors.AccountInactive):
        return None
    if isinstance(refusal, errors.Invalid):
        fields = [FieldError(field=_name(name), messages=messages) for name, messages in refusal.errors.items()]
        return InvalidInput(code=refusal.code, message=str(refusal), fields=fields)
    if isinstance(refusal, best_seats.NoAdjacentSeats):
        return in_full([refusal])[0]
    if type(refusal) in _TYPES:
        answer: Refusal = _TYPES[type(refusal)](code=refusal.code, message=str(refusal), **refusal.facts)
        return answer
    return Refused(code=refusal.code, message=str(refusal))


def _name(field: str) -> str:
    """Name a field as the graph does."""
    return field if field == "non_field_errors" else to_camel_case(field)


def _handler(kinds: tuple[type[DomainError], ...], member: type[Refusal]) -> strawberry.ExceptionHandler[Any]:
    class Handler(strawberry.ExceptionHandler):
        exception_type = kinds
        error_type = member

        def handle(self, exception: Any, *, field: Any, info: Any) -> Any:
            return _answer(exception)

    return Handler()


# In this order: the first that a field's union has room for is asked.
REFUSALS_AS_DATA = [
    *(_handler((kind,), member) for kind, member in _TYPES.items()),
    _handler((errors.Invalid,), InvalidInput),
    _handler((DomainError,), Refused),
]


def as_refusal(error: GraphQLError) -> DomainError | None:
    """Recognise a refusal in a top-level error, also in the database's words."""
    fault = error.original_error
    if isinstance(fault, DomainError):
        return fault
    if isinstance(fault, DatabaseError | InterfaceError):
        return refusal_of(fault)
    return None


def formatted(error: GraphQLError) -> dict[str, Any]:
    """Give a top-level error as clients see it: with a code, and without any words of a fault of ours."""
    answer: dict[str, Any] = dict(error.formatted)
    fault = error.original_error
    refusal = as_refusal(error)
    if refusal is not None:
        answer["message"] = str(refusal)
        answer["extensions"] = {"code": refusal.code, **refusal.facts}
    elif isinstance(fault, RecursionError):
        answer["message"] = "The query or its variables are nested too deeply."
        answer["extensions"] = {"code": "limit_exceeded"}
    elif fault is None or isinstance(fault, GraphQLError):
        answer["extensions"] = {"code": "invalid", **(error.extensions or {})}
        if not settings.DEBUG:  # in production nobody is told what the schema has
            answer["message"] = re.sub(r"\s*Did you mean .*\?", "", answer["message"], flags=re.DOTALL)
    else:
        log.error("internal_error", exc_info=fault)
        answer["message"] = "Something went wrong on our side."
        answer["extensions"] = {"code": "internal_error"}
    return answer
