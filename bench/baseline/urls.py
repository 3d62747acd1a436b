"""The addresses, named as the application's own; the list of shows has three, for its three ways of counting."""

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from rest_framework_simplejwt.views import TokenObtainPairView
from strawberry.django.views import GraphQLView

from bench.baseline import views
from bench.baseline.graph import schema


def livez(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok")


urlpatterns = [
    path("livez", livez),
    path("login", TokenObtainPairView.as_view()),
    path("movies/", views.MoviesView.as_view()),
    path("movies/<int:movie_id>/shows/", views.ShowsView.as_view()),
    path("movies/<int:movie_id>/shows/counted/", views.CountingShowsView.as_view()),
    path("movies/<int:movie_id>/shows/joined/", views.JoinedShowsView.as_view()),
    path("shows/<int:show_id>/book/", views.BookView.as_view()),
    path("bookings/<int:booking_id>/cancel/", views.CancelView.as_view()),
    path("my-bookings/", views.MyBookingsView.as_view()),
    path("graphql/", csrf_exempt(GraphQLView.as_view(schema=schema))),
]
