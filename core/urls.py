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

import catalog.api.movies
import core.api.views
import core.observability.metrics
import graphql_api.picker.views
import graphql_api.views
import reservations.api.seat_views
import reservations.api.views


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

    All share the name; what follows an ``@`` is left out where requests are counted by it.
    """
    for pattern in patterns:
        route = str(pattern.pattern)
        twin = route.removesuffix("/") if route.endswith("/") else route + "/"
        yield path(prefix + route, pattern.callback, name=f"{pattern.name}@{prefix}" if prefix else pattern.name)
        yield path(prefix + twin, pattern.callback, name=f"{pattern.name}@{prefix}twin")


ICON = static("drf_spectacular_sidecar/swagger-ui-dist/favicon-32x32.png")

CANONICAL = [
    path("signup", core.api.views.SignupView.as_view(), name="signup"),
    path("login", core.api.views.LoginView.as_view(), name="login"),
    path("token/refresh/", core.api.views.RefreshView.as_view(), name="refresh"),
    path("logout", core.api.views.LogoutView.as_view(), name="logout"),
    path("me/", core.api.views.MeView.as_view(), name="me"),
    path("movies/", catalog.api.movies.MoviesView.as_view(), name="movies"),
    path("movies/<id:movie_id>/", catalog.api.movies.MovieView.as_view(), name="movie"),
    path("movies/<id:movie_id>/shows/", reservations.api.views.MovieShowsView.as_view(), name="movie-shows"),
    path("shows/<id:show_id>/", reservations.api.views.ShowView.as_view(), name="show"),
    path("shows/<id:show_id>/seats/", reservations.api.seat_views.SeatMapView.as_view(), name="seat-map"),
    path("shows/<id:show_id>/best-seats/", reservations.api.seat_views.BestSeatsView.as_view(), name="best-seats"),
    path("shows/<id:show_id>/book/", reservations.api.views.BookView.as_view(), name="book"),
    path("shows/<id:show_id>/holds/", reservations.api.seat_views.HoldsView.as_view(), name="holds"),
    path("holds/<id:hold_id>/", reservations.api.seat_views.HoldView.as_view(), name="hold"),
    path("holds/<id:hold_id>/confirm/", reservations.api.seat_views.ConfirmView.as_view(), name="confirm"),
    path("holds/<id:hold_id>/extend/", reservations.api.seat_views.ExtendView.as_view(), name="extend"),
    path("my-holds/", reservations.api.seat_views.MyHoldsView.as_view(), name="my-holds"),
    path("bookings/<id:booking_id>/", reservations.api.views.BookingView.as_view(), name="booking"),
    path("bookings/<id:booking_id>/cancel/", reservations.api.views.CancelView.as_view(), name="cancel"),
    path("bookings/<id:booking_id>/move/", reservations.api.seat_views.MoveView.as_view(), name="move"),
    path("my-bookings/", reservations.api.views.MyBookingsView.as_view(), name="my-bookings"),
    path(
        "shows/<id:show_id>/blocked-seats/",
        reservations.api.seat_views.BlockedSeatsView.as_view(),
        name="blocked-seats",
    ),
    path(
        "shows/<id:show_id>/blocked-seats/<id:seat_number>/",
        reservations.api.seat_views.BlockedSeatView.as_view(),
        name="blocked-seat",
    ),
    path("schema/", core.api.views.SchemaView.as_view(), name="schema"),
    path("swagger/", core.api.views.SwaggerView.as_view(), name="swagger"),
    path("livez", core.api.views.LiveView.as_view(), name="livez"),
    path("readyz", core.api.views.ReadyView.as_view(), name="readyz"),
]

OLDER = [
    path("login/refresh/", core.api.views.RefreshView.as_view(), name="refresh@older"),
    path("api/login/refresh/", core.api.views.RefreshView.as_view(), name="refresh@older-api"),
    path("api/token/", core.api.views.LoginView.as_view(), name="login@older"),
]

urlpatterns = [
    *with_and_without_slash([path("graphql/", graphql_api.views.graphql, name="graphql")]),
    *with_and_without_slash(CANONICAL),
    *with_and_without_slash(CANONICAL, prefix="api/"),
    *with_and_without_slash(OLDER),
    *with_and_without_slash(
        [path("metrics", core.observability.metrics.metrics, name="metrics")] if settings.METRICS_TOKEN else []
    ),
    path(
        "favicon.ico",
        core.api.views.RedirectView.as_view(url=static("drf_spectacular_sidecar/swagger-ui-dist/favicon-32x32.png")),
    ),
    path("", graphql_api.picker.views.start, name="start"),
    *with_and_without_slash([path("shows/<id:show_id>/picker/", graphql_api.picker.views.picker, name="picker")]),
    path("admin", core.api.views.RedirectView.as_view(url="/admin/")),
    path("admin/", admin.site.urls),
    re_path("", core.api.views.unknown_address),
]

handler400 = core.api.views.bad_request
handler500 = core.api.views.server_error

_CANONICAL_ADDRESSES = {"/" + str(pattern.pattern).replace("<id:", "{").replace(">", "}") for pattern in CANONICAL}


def only_canonical_addresses(endpoints: list[Any], **_: Any) -> list[Any]:
    """Keep the published addresses in the OpenAPI document (a drf-spectacular hook)."""
    return [endpoint for endpoint in endpoints if endpoint[0] in _CANONICAL_ADDRESSES]
