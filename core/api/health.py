"""Health checks: is the process alive, and does the database answer it?"""

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

    @operation("livez", "Is the process alive?", response=HealthSerializer, database=False)
    def get(self, request: Request) -> Response:
        """It answers without asking the database."""
        return Response({"status": "ok"})


class ReadyView(PublicAPIView):
    tag = "service"
    worker_pool = "readiness"

    @operation("readyz", "Can it serve?", response=HealthSerializer)
    def get(self, request: Request) -> Response:
        """It answers 200 when the database does."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return Response({"status": "ok"})
