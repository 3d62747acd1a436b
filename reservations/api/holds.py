"""Holds over REST."""

from django.db.models import Prefetch
from rest_framework import serializers
from rest_framework.response import Response

from core.accounts import user_of
from core.api.authentication import AuthenticatedRequest
from core.api.exceptions import replay_headers
from core.api.fields import InstantField
from core.api.operations import operation
from core.api.pagination import LimitOffsetPagination, PageQuery
from core.api.serializers import FastSerializer
from core.api.views import APIView
from core.errors import NotFound
from reservations import holds
from reservations.api.bookings import BookingSerializer, VerbView
from reservations.api.seats import NamedSeatSerializer, SeveralSeatsSerializer
from reservations.api.shows import ShowSerializer
from reservations.models import Hold, HoldQuerySet


class HeldSeatSerializer(NamedSeatSerializer):
    """A seat of a hold."""


class HoldSerializer(FastSerializer):
    """Seats that nobody else can book until it expires."""

    id = serializers.IntegerField()
    show = ShowSerializer()
    seats = HeldSeatSerializer(many=True, help_text="Its seats, by their numbers.")
    created_at = InstantField(help_text="When the seats were held.")
    expires_at = InstantField(help_text="When the hold runs out: never after the show's beginning.")


class HoldsView(VerbView):
    @operation(
        "holdSeats", "Hold seats", request=SeveralSeatsSerializer, response=HoldSerializer, status=201, verb=holds.HOLD
    )
    def post(self, request: AuthenticatedRequest, show_id: int) -> Response:
        """The seats are nobody else's for ten minutes, but never beyond the show's beginning; all are held or none.
        One account may hold ten seats of a show."""
        return self.respond(HoldSerializer, holds.hold_seats(show_id=show_id, **self.arguments()))


class HoldView(VerbView):
    @operation("getHold", "Get a hold", response=HoldSerializer)
    def get(self, request: AuthenticatedRequest, hold_id: int) -> Response:
        """One's own, while it can be confirmed; any other is `not_found`."""
        user = user_of(request.user)  # releasing verifies the account in its statement; reading has to do it here
        found = _loaded(Hold.objects.filter(user=user, pk=hold_id).live())
        if not found:
            raise NotFound
        return Response(HoldSerializer(found[0]).data)

    @operation("releaseHold", "Release a hold", verb=holds.RELEASE)
    def delete(self, request: AuthenticatedRequest, hold_id: int) -> Response:
        """One's own. The seats are free at once."""
        released = holds.release_hold(hold_id=hold_id, **self.arguments())
        return Response(status=204, headers=replay_headers(released))


class ConfirmView(VerbView):
    @operation("confirmHold", "Confirm a hold", response=BookingSerializer(many=True), status=201, verb=holds.CONFIRM)
    def post(self, request: AuthenticatedRequest, hold_id: int) -> Response:
        """Its seats are booked, all of them. To confirm again is answered with the same bookings."""
        return self.respond(BookingSerializer, holds.confirm_hold(hold_id=hold_id, **self.arguments()))


class ExtendView(VerbView):
    @operation("extendHold", "Extend a hold", response=HoldSerializer, verb=holds.EXTEND)
    def post(self, request: AuthenticatedRequest, hold_id: int) -> Response:
        """Ten minutes from now, but at most thirty from the first, and never beyond the show's beginning."""
        return self.respond(HoldSerializer, holds.extend_hold(hold_id=hold_id, **self.arguments()))


class MyHoldsView(APIView):
    @operation("listMyHolds", "List one's own holds", query=PageQuery, response=HoldSerializer(many=True))
    def get(self, request: AuthenticatedRequest) -> Response:
        """A plain array of those that can be confirmed, the first to run out first."""
        self.validated_data()
        live = Hold.objects.filter(user=request.user.pk).live().first_to_expire()
        paginator = LimitOffsetPagination()
        page = paginator.paginate_queryset(live, request, view=self)
        return paginator.get_paginated_response(HoldSerializer(_loaded(page), many=True).data)


def _loaded(queryset: HoldQuerySet) -> list[Hold]:
    """Load live holds with their shows and seats."""
    found = list(queryset.prefetch_related(Prefetch("show", ShowSerializer.get_queryset())))
    holds.load_seats(found)
    return [hold for hold in found if hold.expires_at]
