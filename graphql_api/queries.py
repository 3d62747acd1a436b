"""The queries."""

from collections.abc import Callable
from typing import Annotated, Any

import strawberry
from django.db.models import QuerySet
from strawberry import argument, relay

from catalog.models import Movie, Show
from core.models import User
from graphql_api.context import Info
from graphql_api.global_ids import number_of, parts_of
from graphql_api.limits import PAGE_COST
from graphql_api.pagination import After, Before, Connection, First, Last, Page, connect
from graphql_api.types import accounts, bookings, catalog
from reservations.models import Booking, Hold

GlobalId = Annotated[strawberry.ID, argument(description="A global `id`.")]


@strawberry.type
class Query:
    @strawberry.field(description="The account of the token; null without a token.")
    def me(self, info: Info) -> accounts.User | None:
        return info.context.account  # type: ignore[return-value]

    @strawberry.field(description="The movies, by title.", metadata=PAGE_COST)
    def movies(
        self,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        search: Annotated[
            str | None, argument(description="Movies whose title contains this, without regard to case.")
        ] = None,
    ) -> Connection[catalog.Movie]:
        return connect(Movie.objects.search(search or ""), Page(catalog.BY_TITLE, first, after, last, before))

    @strawberry.field(description="One movie; null if there is none of this id.")
    def movie(self, id: GlobalId) -> catalog.Movie | None:
        return _find(id, "Movie")  # type: ignore[return-value]

    @strawberry.field(description="One show; null if there is none of this id.")
    def show(self, id: GlobalId) -> catalog.Show | None:
        return _find(id, "Show")  # type: ignore[return-value]

    @strawberry.field(description="One's own bookings, newest first. Needs a token.", metadata=PAGE_COST)
    def my_bookings(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        status: Annotated[
            bookings.BookingStatus | None,  # type: ignore[valid-type]
            argument(description="Bookings of this status."),
        ] = None,
        upcoming: Annotated[
            bool | None,
            argument(description="true: of shows that have not begun; false: of shows that have."),
        ] = None,
    ) -> Connection[bookings.Booking]:
        rows = Booking.objects.filter(user=info.context.require_bearer().pk).with_status(status).upcoming(upcoming)
        return connect(rows.select_related("show__movie"), Page(bookings.NEWEST_FIRST, first, after))

    @strawberry.field(
        description="One's own holds that can be confirmed, in the order in which they were made. Needs a token.",
        metadata=PAGE_COST,
    )
    def my_holds(self, info: Info, first: First = None, after: After = None) -> Connection[bookings.Hold]:
        rows = Hold.objects.filter(user=info.context.require_bearer().pk).live()
        return connect(rows.select_related("show__movie"), Page(bookings.OLDEST_FIRST, first, after))

    @strawberry.field(
        description="Anything by its global id; null if there is none, if it is a booking, hold or account of somebody "
        "else, or a hold that is over."
    )
    def node(self, info: Info, id: GlobalId) -> relay.Node | None:
        return _find(id, parts_of(id)[0], info.context.account)  # type: ignore[return-value]


def _find(global_id: str, type_name: str, account: User | None = None) -> Any:
    """Find what a global id names, among what this account may see."""
    visible: dict[str, Callable[[], QuerySet[Any]]] = {
        "Movie": Movie.objects.all,
        "Show": Show.objects.all,
        "Booking": lambda: Booking.objects.filter(user=account),
        "Hold": lambda: Hold.objects.filter(user=account).live(),
        "User": lambda: User.objects.filter(pk=account.pk) if account else User.objects.none(),
    }
    rows = visible.get(type_name, User.objects.none)()
    return rows.filter(pk=number_of(global_id, type_name)).first()
