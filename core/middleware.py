"""What every request goes through: an id and a line in the log, a policy for browsers, an answer to faults."""

import logging
import re
import time
import uuid
from collections.abc import Callable
from typing import Any

from corsheaders.middleware import CorsMiddleware
from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

from core.api.rest import STATUS, answer_exception, headers_of
from core.database import refusal_of
from core.errors import DomainError, LockNotAvailable
from core.observability.logs import request_id

log = logging.getLogger("request")

GetResponse = Callable[[HttpRequest], HttpResponseBase]


def request_name(given: str) -> str:
    """Give a request its id: the client's own, if it can't be mistaken for anything else in a log or a header."""
    return given if re.fullmatch(r"[A-Za-z0-9._-]{1,64}", given) else uuid.uuid4().hex


class RequestLog:
    """Give each request an id, tell it in ``X-Request-ID``, and write one line when it is answered.

    The line has the path but not the query, and no header: neither a token nor a search gets into the log.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        identity = request_name(request.META.get("HTTP_X_REQUEST_ID", ""))
        token = request_id.set(identity)
        started = time.perf_counter()
        try:
            response = self.get_response(request)
            response["X-Request-ID"] = identity
            if isinstance(getattr(response, "refusal", None), LockNotAvailable):
                return response  # core.server tries again, or logs it
            facts = {
                "method": request.method,
                "path": request.path,
                "status": response.status_code,
                "ms": round((time.perf_counter() - started) * 1000, 1),
            }
            log.info("%s %s", request.method, request.path, extra={"facts": facts})
            return response
        finally:
            request_id.reset(token)


class ContentSecurityPolicy:
    """Let pages load and call nothing but what this server itself serves."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response.setdefault("Content-Security-Policy", settings.CONTENT_SECURITY_POLICY)
        return response


class AdminOnlyMiddleware(MiddlewareMixin):
    """Is passed by at all addresses but the admin's: the API knows neither sessions nor cookies."""

    def __call__(self, request: HttpRequest) -> Any:
        return super().__call__(request) if request.path_info.startswith("/admin") else self.get_response(request)


class Sessions(AdminOnlyMiddleware, SessionMiddleware):
    pass


class Users(AdminOnlyMiddleware, AuthenticationMiddleware):
    pass


class Messages(AdminOnlyMiddleware, MessageMiddleware):
    pass


class OtherOrigins(CorsMiddleware):
    """Is passed by where no other origin is allowed."""

    def __call__(self, request: HttpRequest) -> Any:
        return super().__call__(request) if settings.CORS_ALLOWED_ORIGINS else self.get_response(request)


class FaultsAsJson:
    """Answer an exception that left a view: as JSON to clients, in a sentence to people in the admin."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, fault: Exception) -> HttpResponse | None:
        if not request.path_info.startswith("/admin"):
            return answer_exception(fault)
        refusal = refusal_of(fault) if isinstance(fault, DatabaseError | InterfaceError) else fault
        if not isinstance(refusal, DomainError):
            return None
        response = HttpResponse(
            str(refusal), content_type="text/plain", status=STATUS[refusal.kind], headers=headers_of(refusal)
        )
        response.refusal = refusal  # type: ignore[attr-defined]
        return response
