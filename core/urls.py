"""Every public address on one page.

The addresses under ``CANONICAL`` are the published ones. Each answers with and without its trailing slash, and
again under ``/api/``, where clients of the older services send requests.
"""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.templatetags.static import static
from django.urls import URLPattern, path, re_path, register_converter
from django.urls.converters import IntConverter

from catalog.api import movies
from core.api import accounts, health, pages
from core.observability.metrics import metrics
from graphql_api.picker.views import picker, start
from graphql_api.views import graphql
from reservations.api import bookings, holds, seats, shows


class Id(IntConverter):
    """The primary key of a row, in a path."""

    regex = "[0-9]{1,18}"


register_converter(Id, "id")


def with_and_without_slash(patterns: list[URLPattern], prefix: str = "") -> Iterator[URLPattern]:
    """Give each address with and without its trailing slash.

    A redirect from one to the other would turn a POST into a GET. All share the name; what follows an ``@`` is left
    out where requests are counted by it.
    """
    for pattern in patterns:
        route = str(pattern.pattern)
        twin = route.removesuffix("/") if route.endswith("/") else route + "/"
        yield path(prefix + route, pattern.callback, name=f"{pattern.name}@{prefix}" if prefix else pattern.name)
        yield path(prefix + twin, pattern.callback, name=f"{pattern.name}@{prefix}twin")


CANONICAL = [
    # The busiest first: Django tries them in this order.
    path("shows/<id:show_id>/book/", bookings.BookView.as_view(), name="book"),
    path("shows/<id:show_id>/holds/", holds.HoldsView.as_view(), name="holds"),
    path("holds/<id:hold_id>/confirm/", holds.ConfirmView.as_view(), name="confirm"),
    path("shows/<id:show_id>/seats/", seats.SeatMapView.as_view(), name="seat-map"),
    path("signup", accounts.SignupView.as_view(), name="signup"),
    path("login", accounts.LoginView.as_view(), name="login"),
    path("token/refresh/", accounts.RefreshView.as_view(), name="refresh"),
    path("logout", accounts.LogoutView.as_view(), name="logout"),
    path("me/", accounts.MeView.as_view(), name="me"),
    path("movies/", movies.MoviesView.as_view(), name="movies"),
    path("movies/<id:movie_id>/", movies.MovieView.as_view(), name="movie"),
    path("movies/<id:movie_id>/shows/", shows.MovieShowsView.as_view(), name="movie-shows"),
    path("shows/<id:show_id>/", shows.ShowView.as_view(), name="show"),
    path("shows/<id:show_id>/best-seats/", seats.BestSeatsView.as_view(), name="best-seats"),
    path("holds/<id:hold_id>/", holds.HoldView.as_view(), name="hold"),
    path("holds/<id:hold_id>/extend/", holds.ExtendView.as_view(), name="extend"),
    path("my-holds/", holds.MyHoldsView.as_view(), name="my-holds"),
    path("bookings/<id:booking_id>/", bookings.BookingView.as_view(), name="booking"),
    path("bookings/<id:booking_id>/cancel/", bookings.CancelView.as_view(), name="cancel"),
    path("bookings/<id:booking_id>/move/", bookings.MoveView.as_view(), name="move"),
    path("my-bookings/", bookings.MyBookingsView.as_view(), name="my-bookings"),
    path("shows/<id:show_id>/blocked-seats/", seats.BlockedSeatsView.as_view(), name="blocked-seats"),
    path("shows/<id:show_id>/blocked-seats/<id:seat_number>/", seats.BlockedSeatView.as_view(), name="blocked-seat"),
    path("schema/", pages.SchemaView.as_view(), name="schema"),
    path("swagger/", pages.SwaggerView.as_view(), name="swagger"),
    path("livez", health.LiveView.as_view(), name="livez"),
    path("readyz", health.ReadyView.as_view(), name="readyz"),
]

UNPUBLISHED = [
    path("metrics", metrics, name="metrics"),
    path("shows/<id:show_id>/picker/", picker, name="picker"),
    # Of the older services:
    path("login/refresh/", accounts.RefreshView.as_view(), name="refresh@older"),
    path("api/login/refresh/", accounts.RefreshView.as_view(), name="refresh@older-api"),
    path("api/token/", accounts.LoginView.as_view(), name="login@older"),
]

FAVICON = static("drf_spectacular_sidecar/swagger-ui-dist/favicon-32x32.png")

urlpatterns = [
    *with_and_without_slash([path("graphql/", graphql, name="graphql")]),
    *with_and_without_slash(CANONICAL),
    *with_and_without_slash(CANONICAL, prefix="api/"),
    *with_and_without_slash(UNPUBLISHED),
    path("", start, name="start"),
    path("favicon.ico", pages.RedirectView.as_view(url=FAVICON)),
    path("admin", pages.RedirectView.as_view(url="/admin/")),
    path("admin/", admin.site.urls),
    re_path("", pages.unknown_address),
]

handler400 = pages.bad_request
handler500 = pages.server_error

_CANONICAL_ADDRESSES = {"/" + str(pattern.pattern).replace("<id:", "{").replace(">", "}") for pattern in CANONICAL}


def only_canonical_addresses(endpoints: list[Any], **_: Any) -> list[Any]:
    """Limit the OpenAPI document to the published addresses (a drf-spectacular hook)."""
    return [endpoint for endpoint in endpoints if endpoint[0] in _CANONICAL_ADDRESSES]
