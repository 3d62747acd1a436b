"""The graph: what can be asked, and what can be done. Each resolver asks who and what, and calls the domain once."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, TypeVar, cast

import strawberry
from django.conf import settings
from django.db.models import QuerySet
from graphql import ExecutionResult, execute
from graphql.execution.execute import assume_not_async_iterable, assume_not_awaitable
from strawberry import relay

from catalog import models as catalog
from core import accounts
from core.accounts import Bearer, user_of
from core.errors import DomainError, NotAuthenticated, TokenNotValid
from core.models import User
from graphql_api import types
from graphql_api.connections import After, Before, Connection, First, Last, Page, connect
from graphql_api.documents import Document, read
from graphql_api.errors import REFUSALS_AS_DATA
from graphql_api.execution import Executor
from graphql_api.global_ids import number_of, parts_of
from graphql_api.kept import answer_kept
from reservations import models as reservations
from reservations.booking import book_seat, cancel_booking

T = TypeVar("T")


@dataclass
class Context:
    """Who is asking, and from where."""

    bearer: Bearer | None
    address: str
    refused: TokenNotValid | None = None
    """Why the token that was sent does not hold."""
    replayed: bool = False

    @cached_property
    def account(self) -> User | None:
        """The account that the token speaks for; None without a token.

        :raises AccountGone: it is gone, was deactivated or has a new password.
        """
        return user_of(self.bearer) if self.bearer else None

    def bearer_or_refuse(self) -> Bearer:
        """Give what the token says, for a verb that looks at the account itself.

        :raises NotAuthenticated: no token was sent.
        """
        if self.bearer is None:
            raise NotAuthenticated
        return self.bearer

    def refuse_token_that_does_not_hold(self, asked: frozenset[str]) -> None:
        """Refuse a token that does not hold before anything is done for it.

        :raises TokenNotValid: it can't be read or has run out.
        :raises AccountGone: the account is gone, was deactivated or has a new password.
        """
        if asked <= _FOR_EVERYBODY:
            return
        if self.refused:
            raise self.refused
        if not asked <= _LOOKED_AT_BY_THE_VERB:
            _ = self.account

    def note_replay(self, verb: Callable[[], T]) -> T:
        """Do the verb, and note whether its outcome is the answer to an earlier request, for a header to tell."""
        try:
            told: Any = verb()
        except DomainError as refusal:
            self.replayed = refusal.replayed
            raise
        self.replayed = told.replayed
        return cast(T, told)


# As in REST, no token is looked at to open, renew or end a session: a front end that sends its old token with every
# request could not log in again.
_FOR_EVERYBODY = frozenset({"signup", "login", "refreshToken", "logout", "__typename"})

_LOOKED_AT_BY_THE_VERB = frozenset({"bookSeat", "cancelBooking", "__typename"})


Info = strawberry.Info[Context, None]
GlobalId = Annotated[strawberry.ID, strawberry.argument(description="A global `id`.")]


@strawberry.type
class Query:
    @strawberry.field(description="The account that the token speaks for; null without a token.")
    def me(self, info: Info) -> types.User | None:
        return info.context.account  # type: ignore[return-value]

    @strawberry.field(description="The films, by title.")
    def movies(
        self,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        search: Annotated[
            str | None, strawberry.argument(description="Films whose title contains this, without regard to case.")
        ] = None,
    ) -> Connection[types.Movie]:
        page = Page(first=first, after=after, last=last, before=before)
        return connect(catalog.Movie.objects.search(search or ""), types.BY_TITLE, page)

    @strawberry.field(description="One film; null if there is none of this id.")
    def movie(self, id: GlobalId) -> types.Movie | None:
        return _find(id, "Movie", None)  # type: ignore[return-value]

    @strawberry.field(description="One show; null if there is none of this id.")
    def show(self, id: GlobalId) -> types.Show | None:
        return _find(id, "Show", None)  # type: ignore[return-value]

    @strawberry.field(description="One's own bookings, newest first. Needs a token.")
    def my_bookings(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        status: Annotated[
            types.BookingStatus | None,  # type: ignore[valid-type]
            strawberry.argument(description="Bookings of this status."),
        ] = None,
        upcoming: Annotated[
            bool | None,
            strawberry.argument(description="true: of shows that have not begun; false: of shows that have."),
        ] = None,
    ) -> Connection[types.Booking]:
        bookings = reservations.Booking.objects.filter(user=info.context.bearer_or_refuse().pk)
        bookings = bookings.with_status(status).upcoming(upcoming)
        return connect(bookings, types.NEWEST_FIRST, Page(first=first, after=after))

    @strawberry.field(
        description="Anything by its global id; null if there is none, or if it is somebody else's booking or account."
    )
    def node(self, info: Info, id: GlobalId) -> relay.Node | None:
        return _find(id, parts_of(id)[0], info.context.account)  # type: ignore[return-value]


def _find(global_id: str, type_name: str, account: User | None) -> Any:
    """Find what a global id names, among what this account may see."""
    seen: dict[str, QuerySet[Any]] = {
        "Movie": catalog.Movie.objects.all(),
        "Show": catalog.Show.objects.all(),
        "Booking": reservations.Booking.objects.filter(user=account),
        "User": User.objects.filter(pk=account.pk) if account else User.objects.none(),
    }
    if type_name not in seen:
        return None
    return seen[type_name].filter(pk=number_of(global_id, type_name)).first()


@strawberry.type
class Mutation:
    @strawberry.mutation(description="Open an account.")
    def signup(self, info: Info, input: types.SignupInput) -> types.SignupResult:
        return accounts.sign_up(
            username=input.username, password=input.password, email=input.email, address=info.context.address
        )  # type: ignore[return-value]

    @strawberry.mutation(description="Exchange a name and a password for a pair of tokens.")
    def login(self, info: Info, input: types.LoginInput) -> types.LoginResult:
        pair = accounts.log_in(username=input.username, password=input.password, address=info.context.address)
        return types.TokenPair(access=pair.access, refresh=pair.refresh)

    @strawberry.mutation(description="Exchange a refresh token for a new pair; the old one is spent.")
    def refresh_token(self, info: Info, input: types.RefreshTokenInput) -> types.RefreshTokenResult:
        pair = accounts.refresh(token=input.refresh, address=info.context.address)
        return types.TokenPair(access=pair.access, refresh=pair.refresh)

    @strawberry.mutation(description="Spend a refresh token.")
    def logout(self, input: types.LogoutInput) -> types.LogoutResult:
        accounts.log_out(token=input.refresh)
        return types.LoggedOut()

    @strawberry.mutation(description="Book a seat of a show. Needs a token. A booking in the answer is durable.")
    def book_seat(self, info: Info, input: types.BookSeatInput) -> types.BookSeatResult:
        return info.context.note_replay(
            lambda: book_seat(
                user=info.context.bearer_or_refuse(),
                show_id=number_of(input.show_id, "Show"),
                seat_number=input.seat_number,
                idempotency_key=input.idempotency_key,
            )
        )  # type: ignore[return-value]

    @strawberry.mutation(description="Cancel one's own booking; its seat is free at once. Needs a token.")
    def cancel_booking(self, info: Info, input: types.CancelBookingInput) -> types.CancelBookingResult:
        return info.context.note_replay(
            lambda: cancel_booking(
                user=info.context.bearer_or_refuse(),
                booking_id=number_of(input.booking_id, "Booking"),
                idempotency_key=input.idempotency_key,
            )
        )  # type: ignore[return-value]


class Graph(strawberry.Schema):
    """The schema, and how it is asked."""

    def __init__(self, *, development: bool) -> None:
        super().__init__(query=Query, mutation=Mutation, exception_handlers=REFUSALS_AS_DATA)
        # In production nobody is told what the schema has: no introspection, no suggestions.
        self._development = development

    def ask(
        self, query: str, variables: dict[str, Any] | None, context: Context, operation_name: str | None
    ) -> ExecutionResult:
        """Answer a query or do a mutation.

        The library's own way from a text to an answer goes through extensions, which are made anew and asked five
        times a request; the steps here are the same.

        :raises GraphQLError: it can't be parsed, or asks for too much.
        :raises TokenNotValid, AccountGone: the token does not hold.
        """
        document = read(self._schema, query, introspection=self._development)
        if document.faults:
            return ExecutionResult(data=None, errors=[*document.faults])
        document.refuse_oversized(variables or {}, operation_name)
        context.refuse_token_that_does_not_hold(document.root_fields)

        def answered() -> ExecutionResult:
            return self._execute(document, variables, context, operation_name)

        if document.films_alone:
            return answer_kept(query, operation_name, variables, answered)
        return answered()

    def _execute(
        self, document: Document, variables: dict[str, Any] | None, context: Context, operation_name: str | None
    ) -> ExecutionResult:
        result = execute(
            self._schema,
            document.node,
            context_value=context,
            variable_values=variables,
            operation_name=operation_name,
            executor_class=Executor,
            plans=document.plans,
            hide_suggestions=not self._development,
            is_awaitable=assume_not_awaitable,
            is_async_iterable=assume_not_async_iterable,
        )
        return cast(ExecutionResult, result)


schema = Graph(development=settings.DEBUG)
