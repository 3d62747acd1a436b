"""Every public address on one page.

The addresses under ``CANONICAL`` are the published ones. Each answers with and without its trailing slash, and
again under ``/api/``, where clients of the older services look for it.
"""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.templatetags.static import static
from django.urls import URLPattern, path, re_path, register_converter

import catalog.views
import core.metrics
import core.views
import graphql_api.pages
import graphql_api.views
import reservations.seat_views
import reservations.views


class Id:
    """A number that a row can have; any other is an address that does not exist."""

    regex = "[0-9]{1,18}"

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: int) -> str:
        return str(value)


register_converter(Id, "id")


def with_and_without_slash(patterns: list[URLPattern], prefix: str = "") -> Iterator[URLPattern]:
    """Give each address and its twin. A redirect from one to the other would turn a POST into a GET.

    All have the address's name, the others with something after an ``@``: core.metrics counts them as one.
    """
    for pattern in patterns:
        route = str(pattern.pattern)
        twin = route.removesuffix("/") if route.endswith("/") else route + "/"
        yield path(prefix + route, pattern.callback, name=f"{pattern.name}@{prefix}" if prefix else pattern.name)
        yield path(prefix + twin, pattern.callback, name=f"{pattern.name}@{prefix}twin")


ICON = static("drf_spectacular_sidecar/swagger-ui-dist/favicon-32x32.png")

CANONICAL = [
    path("signup", core.views.SignupView.as_view(), name="signup"),
    path("login", core.views.LoginView.as_view(), name="login"),
    path("token/refresh/", core.views.RefreshView.as_view(), name="refresh"),
    path("logout", core.views.LogoutView.as_view(), name="logout"),
    path("me/", core.views.MeView.as_view(), name="me"),
    path("movies/", catalog.views.MoviesView.as_view(), name="movies"),
    path("movies/<id:movie_id>/", catalog.views.MovieView.as_view(), name="movie"),
    path("movies/<id:movie_id>/shows/", reservations.views.MovieShowsView.as_view(), name="movie-shows"),
    path("shows/<id:show_id>/", reservations.views.ShowView.as_view(), name="show"),
    path("shows/<id:show_id>/seats/", reservations.seat_views.SeatMapView.as_view(), name="seat-map"),
    path("shows/<id:show_id>/best-seats/", reservations.seat_views.BestSeatsView.as_view(), name="best-seats"),
    path("shows/<id:show_id>/book/", reservations.views.BookView.as_view(), name="book"),
    path("shows/<id:show_id>/holds/", reservations.seat_views.HoldsView.as_view(), name="holds"),
    path("holds/<id:hold_id>/", reservations.seat_views.HoldView.as_view(), name="hold"),
    path("holds/<id:hold_id>/confirm/", reservations.seat_views.ConfirmView.as_view(), name="confirm"),
    path("holds/<id:hold_id>/extend/", reservations.seat_views.ExtendView.as_view(), name="extend"),
    path("my-holds/", reservations.seat_views.MyHoldsView.as_view(), name="my-holds"),
    path("bookings/<id:booking_id>/", reservations.views.BookingView.as_view(), name="booking"),
    path("bookings/<id:booking_id>/cancel/", reservations.views.CancelView.as_view(), name="cancel"),
    path("bookings/<id:booking_id>/move/", reservations.seat_views.MoveView.as_view(), name="move"),
    path("my-bookings/", reservations.views.MyBookingsView.as_view(), name="my-bookings"),
    path("shows/<id:show_id>/blocked-seats/", reservations.seat_views.BlockedSeatsView.as_view(), name="blocked-seats"),
    path(
        "shows/<id:show_id>/blocked-seats/<id:seat_number>/",
        reservations.seat_views.BlockedSeatView.as_view(),
        name="blocked-seat",
    ),
    path("schema/", core.views.SchemaView.as_view(), name="schema"),
    path("swagger/", core.views.SwaggerView.as_view(), name="swagger"),
    path("livez", core.views.LiveView.as_view(), name="livez"),
    path("readyz", core.views.ReadyView.as_view(), name="readyz"),
]

OLDER = [
    path("login/refresh/", core.views.RefreshView.as_view(), name="refresh@older"),
    path("api/login/refresh/", core.views.RefreshView.as_view(), name="refresh@older-api"),
    path("api/token/", core.views.LoginView.as_view(), name="login@older"),
]

urlpatterns = [
    *with_and_without_slash([path("graphql/", graphql_api.views.graphql, name="graphql")]),
    *with_and_without_slash(CANONICAL),
    *with_and_without_slash(CANONICAL, prefix="api/"),
    *with_and_without_slash(OLDER),
    *with_and_without_slash([path("metrics", core.metrics.metrics, name="metrics")] if settings.METRICS_TOKEN else []),
    path(
        "favicon.ico",
        core.views.LeadsTo.as_view(url=static("drf_spectacular_sidecar/swagger-ui-dist/favicon-32x32.png")),
    ),
    path("", graphql_api.pages.start, name="start"),
    *with_and_without_slash([path("shows/<id:show_id>/picker/", graphql_api.pages.picker, name="picker")]),
    path("admin", core.views.LeadsTo.as_view(url="/admin/")),
    path("admin/", admin.site.urls),
    re_path("", core.views.unknown_address),
]

handler400 = core.views.bad_request
handler500 = core.views.server_error

_CANONICAL_ADDRESSES = {"/" + str(pattern.pattern).replace("<id:", "{").replace(">", "}") for pattern in CANONICAL}


def only_canonical_addresses(endpoints: list[Any], **_: Any) -> list[Any]:
    """Keep the published addresses in the OpenAPI document (a drf-spectacular hook)."""
    return [endpoint for endpoint in endpoints if endpoint[0] in _CANONICAL_ADDRESSES]
