"""Health checks of the process and of its database."""

from django.db import connection
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.operations import operation
from core.api.views import PublicAPIView


class HealthSerializer(serializers.Serializer[None]):
    """The state of the service."""

    status = serializers.CharField(help_text="`ok`")


class LiveView(PublicAPIView):
    tag = "service"
    worker_pool = "health"

    @operation("livez", "Check that the process is alive", response=HealthSerializer, database=False)
    def get(self, request: Request) -> Response:
        """It answers without the database."""
        return Response({"status": "ok"})


class ReadyView(PublicAPIView):
    tag = "service"
    worker_pool = "readiness"

    @operation("readyz", "Check that it can serve", response=HealthSerializer)
    def get(self, request: Request) -> Response:
        """It answers 200 when the database does."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return Response({"status": "ok"})
