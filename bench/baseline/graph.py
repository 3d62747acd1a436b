"""The same tables over GraphQL by the library at its best: optimizer, parser and validation caches, its connections."""

import strawberry
import strawberry_django
from django.db.models import Count, F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from rest_framework_simplejwt.authentication import JWTAuthentication
from strawberry import auto, relay
from strawberry.extensions import ParserCache, ValidationCache
from strawberry_django.optimizer import DjangoOptimizerExtension
from strawberry_django.relay import DjangoListConnection

from bench.baseline import models

_BOOKED = models.Booking.objects.filter(show=OuterRef("pk"), status="booked").order_by().values("show")
_AVAILABLE = F("total_seats") - Coalesce(Subquery(_BOOKED.annotate(booked=Count("*")).values("booked")), 0)


@strawberry_django.type(models.Movie)
class Movie(relay.Node):
    database_id: int = strawberry_django.field(field_name="id")
    title: auto
    duration_minutes: auto
    shows: DjangoListConnection["Show"] = strawberry_django.connection()


@strawberry_django.type(models.Show)
class Show(relay.Node):
    database_id: int = strawberry_django.field(field_name="id")
    movie: Movie
    screen_name: auto
    date_time: auto
    total_seats: auto
    available_seats: int = strawberry_django.field(annotate={"available_seats": _AVAILABLE})


@strawberry_django.type(models.Booking)
class Booking(relay.Node):
    database_id: int = strawberry_django.field(field_name="id")
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
    movies: DjangoListConnection[Movie] = strawberry_django.connection()
    movie: Movie = strawberry_django.node()
    my_bookings: DjangoListConnection[Booking] = strawberry_django.connection()


schema = strawberry.Schema(query=Query, extensions=[ParserCache, ValidationCache, DjangoOptimizerExtension])
