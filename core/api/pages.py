"""The OpenAPI document, Swagger UI, redirects, and answers outside every view."""

import functools
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.renderers import TemplateHTMLRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.exceptions import INTERNAL_ERROR, error_response
from core.api.operations import operation
from core.api.renderers import json_response
from core.api.views import PublicAPIView
from core.errors import Invalid, NotFound


@functools.cache
def openapi_document() -> dict[str, Any]:
    """Make the OpenAPI document once, which takes a third of a second."""
    return dict(SchemaGenerator().get_schema(public=True))


class SchemaView(PublicAPIView):
    tag = "service"
    renderer_classes = SpectacularAPIView.renderer_classes

    @operation("schema", "Get this document", response=OpenApiTypes.OBJECT, database=False)
    def get(self, request: Request) -> Response:
        """OpenAPI 3, as YAML or as JSON, by the `Accept` header."""
        return Response(openapi_document())


class SwaggerView(PublicAPIView, SpectacularSwaggerSplitView):
    tag = "service"

    @operation("swagger", "Read this document", response=OpenApiTypes.STR, media_type="text/html", database=False)
    def get(self, request: Request) -> Response:
        """Swagger UI, with a button to authorize."""
        return super().get(request)


class RedirectView(PublicAPIView):
    """Redirects a browser; any other method is refused in JSON."""

    url = ""
    renderer_classes = [TemplateHTMLRenderer]  # accepts what browsers accept

    def get(self, request: Request) -> HttpResponseRedirect:
        return HttpResponseRedirect(self.url)


@csrf_exempt
def unknown_address(request: HttpRequest, path: str = "") -> HttpResponse:
    """Answer every address that no other pattern matches, in development too."""
    return error_response(NotFound())


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that Django refuses, perhaps for its host (handler400)."""
    return error_response(Invalid(errors={}))


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer a fault outside every view (handler500)."""
    return json_response(INTERNAL_ERROR, status=500)
