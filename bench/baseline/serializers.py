"""One ``ModelSerializer`` a table, nested: booking, show, movie."""

from rest_framework import serializers

from bench.baseline.models import Booking, Movie, Show


class MovieSerializer(serializers.ModelSerializer):
    class Meta:
        model = Movie
        fields = ["id", "title", "duration_minutes"]


class ShowSerializer(serializers.ModelSerializer):
    movie = MovieSerializer(read_only=True)

    class Meta:
        model = Show
        fields = ["id", "movie", "screen_name", "date_time", "total_seats"]


class CountingShowSerializer(ShowSerializer):
    """Counts the sold seats of each show by itself."""

    available_seats = serializers.SerializerMethodField()

    class Meta(ShowSerializer.Meta):
        fields = [*ShowSerializer.Meta.fields, "available_seats"]

    def get_available_seats(self, show: Show) -> int:
        return show.total_seats - show.bookings.filter(status="booked").count()


class JoinedShowSerializer(ShowSerializer):
    """Is given the sold seats with the row."""

    available_seats = serializers.SerializerMethodField()

    class Meta(ShowSerializer.Meta):
        fields = [*ShowSerializer.Meta.fields, "available_seats"]

    def get_available_seats(self, show: Show) -> int:
        return show.total_seats - show.sold


class BookingSerializer(serializers.ModelSerializer):
    show = ShowSerializer(read_only=True)

    class Meta:
        model = Booking
        fields = ["id", "show", "seat_number", "status", "created_at", "cancelled_at"]


class BookSeatSerializer(serializers.Serializer):
    seat_number = serializers.IntegerField(min_value=1)
