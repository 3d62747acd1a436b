"""JSON answers, written by orjson."""

from collections.abc import Mapping
from typing import Any

import orjson
from django.http import HttpResponse
from rest_framework.renderers import BaseRenderer


class ORJSONRenderer(BaseRenderer):
    """Renders JSON with orjson; instants are in UTC, as 2026-12-24T18:30:00Z."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        return b"" if data is None else orjson.dumps(data, option=orjson.OPT_UTC_Z)


def json_response(data: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Make a JSON response outside of a REST view."""
    body = ORJSONRenderer().render(data)
    return HttpResponse(body, content_type=ORJSONRenderer.media_type, status=status, headers=headers)
