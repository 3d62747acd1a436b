"""Accounts over REST, and the addresses that look after the service itself."""

import functools
from typing import Any, ClassVar

from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.renderers import TemplateHTMLRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core import accounts
from core.api.openapi import describe
from core.api.rest import INTERNAL_ERROR, View, answer, answer_exception, read, user_of, write
from core.api.serializers import (
    LoginSerializer,
    RefreshTokenSerializer,
    SignupSerializer,
    TokenPairSerializer,
    UserSerializer,
)
from core.errors import Invalid, NoActiveAccount, NotFound, Throttled, TokenNotValid
from core.throttling import client_address

# Where a pair of tokens leads to.
ITS_REFRESH_TOKEN = {name: {"refresh": "$response.body#/refresh"} for name in ("refreshToken", "logout")}


class OpenView(View):
    """For everybody; no token is looked at."""

    authentication_classes = []
    permission_classes = [AllowAny]


class SignupView(OpenView):
    @describe(
        "signup",
        "Open an account",
        request=SignupSerializer,
        answer=UserSerializer,
        status=201,
        refuses=[Invalid, Throttled],
        tags=["accounts"],
    )
    def post(self, request: HttpRequest) -> HttpResponse:
        """Names and e-mail addresses are unique without regard to case."""
        user = accounts.sign_up(**read(SignupSerializer, request), address=client_address(request))
        return answer(write(UserSerializer, user), status=201)


class LoginView(OpenView):
    @describe(
        "login",
        "Log in",
        request=LoginSerializer,
        answer=TokenPairSerializer,
        leads_to=ITS_REFRESH_TOKEN,
        refuses=[NoActiveAccount, Throttled],
        tags=["accounts"],
    )
    def post(self, request: HttpRequest) -> HttpResponse:
        """Exchange a name and a password for a pair of tokens."""
        pair = accounts.log_in(**read(LoginSerializer, request), address=client_address(request))
        return answer(write(TokenPairSerializer, pair))


class RefreshView(OpenView):
    @describe(
        "refreshToken",
        "Renew the tokens",
        request=RefreshTokenSerializer,
        answer=TokenPairSerializer,
        leads_to=ITS_REFRESH_TOKEN,
        refuses=[TokenNotValid, Throttled],
        tags=["accounts"],
    )
    def post(self, request: HttpRequest) -> HttpResponse:
        """Exchange a refresh token for a new pair; the old refresh token is spent."""
        token = read(RefreshTokenSerializer, request)["refresh"]
        pair = accounts.refresh(token=token, address=client_address(request))
        return answer(write(TokenPairSerializer, pair))


class LogoutView(OpenView):
    @describe(
        "logout",
        "Log out",
        request=RefreshTokenSerializer,
        answer=None,
        status=204,
        refuses=[TokenNotValid],
        tags=["accounts"],
    )
    def post(self, request: HttpRequest) -> HttpResponse:
        """Spend the refresh token. Access tokens end by themselves, within 15 minutes."""
        accounts.log_out(token=read(RefreshTokenSerializer, request)["refresh"])
        return HttpResponse(status=204)


class MeView(View):
    @describe("me", "Who am I?", answer=UserSerializer, tags=["accounts"])
    def get(self, request: HttpRequest) -> HttpResponse:
        """The account that the access token speaks for."""
        return answer(write(UserSerializer, user_of(request)))


class HealthSerializer(serializers.Serializer[None]):
    """The state of the service."""

    example: ClassVar[dict[str, Any]] = {"status": "ok"}

    status = serializers.CharField(help_text="`ok`")


class LiveView(OpenView):
    worker_pool = "health"

    @describe("livez", "Is the process alive?", answer=HealthSerializer, database=False, tags=["service"])
    def get(self, request: HttpRequest) -> HttpResponse:
        """It answers without asking the database."""
        return answer({"status": "ok"})


class ReadyView(OpenView):
    worker_pool = "readiness"

    @describe("readyz", "Can it serve?", answer=HealthSerializer, tags=["service"])
    def get(self, request: HttpRequest) -> HttpResponse:
        """It answers 200 when the database does."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return answer({"status": "ok"})


@functools.cache
def openapi_document() -> dict[str, Any]:
    """Make the OpenAPI document, once a process: it takes a third of a second, and anybody may ask for it."""
    return dict(SchemaGenerator().get_schema(public=True))


class DocumentView(APIView):
    """A page that the framework renders, in whichever form is asked for."""

    authentication_classes = []
    permission_classes = [AllowAny]
    http_method_names = View.http_method_names


class SchemaView(DocumentView):
    renderer_classes = SpectacularAPIView.renderer_classes

    @describe("schema", "Get this document", answer=OpenApiTypes.OBJECT, database=False, tags=["service"])
    def get(self, request: Request) -> Response:
        """OpenAPI 3, as YAML or as JSON, whichever is asked for with `Accept`."""
        return Response(openapi_document())


class SwaggerView(DocumentView, SpectacularSwaggerSplitView):
    @describe(
        "swagger",
        "Read this document",
        answer=OpenApiTypes.STR,
        media_type="text/html",
        database=False,
        tags=["service"],
    )
    def get(self, request: Request) -> Response:
        """Swagger UI, with a button to authorize."""
        return super().get(request)


class RedirectView(DocumentView):
    """Leads a browser to where a page is."""

    schema = None
    url = ""
    renderer_classes = [TemplateHTMLRenderer]  # only says that a browser's Accept will do

    def get(self, request: Request) -> HttpResponseRedirect:
        return HttpResponseRedirect(self.url)


@csrf_exempt
def unknown_address(request: HttpRequest, path: str = "") -> HttpResponse:
    """Answer every address that is not on the page, in development too."""
    return answer_exception(NotFound())


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that Django would not look at, such as one for a host that is not ours."""
    return answer_exception(Invalid(errors={}))


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer a fault outside every view."""
    return answer(INTERNAL_ERROR, status=500)
