"""The same tables over GraphQL, by the library alone: no optimizer, no caches."""

import strawberry
import strawberry_django
from django.db.models import QuerySet
from rest_framework_simplejwt.authentication import JWTAuthentication
from strawberry import auto

from bench.baseline import models


@strawberry_django.type(models.Movie, pagination=True)
class Movie:
    id: auto
    title: auto
    duration_minutes: auto
    shows: list["Show"]


@strawberry_django.type(models.Show, pagination=True)
class Show:
    id: auto
    movie: Movie
    screen_name: auto
    date_time: auto
    total_seats: auto

    @strawberry_django.field
    def available_seats(self) -> int:
        return self.total_seats - self.bookings.filter(status="booked").count()


@strawberry_django.type(models.Booking, pagination=True)
class Booking:
    id: auto
    show: Show
    seat_number: auto
    status: auto
    created_at: auto
    cancelled_at: auto

    @classmethod
    def get_queryset(cls, queryset: QuerySet[models.Booking], info: strawberry.Info) -> QuerySet[models.Booking]:
        user, _ = JWTAuthentication().authenticate(info.context.request)
        return queryset.filter(user=user)


@strawberry.type
class Query:
    movies: list[Movie] = strawberry_django.field()
    movie: Movie = strawberry_django.field()
    my_bookings: list[Booking] = strawberry_django.field()


schema = strawberry.Schema(query=Query)
