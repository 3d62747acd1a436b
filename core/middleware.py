"""Middleware: request log, content security policy, the admin's sessions, exceptions."""

import logging
import re
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

from core.api.exceptions import error_response, headers_of, status_of
from core.database import refusal_of
from core.errors import LockNotAvailable
from core.observability.logs import new_request_id, request_id

log = logging.getLogger("request")

GetResponse = Callable[[HttpRequest], HttpResponseBase]


def request_id_for(given: str) -> str:
    """Give a request's id: the client's own, if it is safe."""
    return given if re.fullmatch(r"[A-Za-z0-9._-]{1,64}", given) else new_request_id()


class RequestLogMiddleware:
    """Gives each request an ``X-Request-ID``, and logs one line of it.

    The line has the path but not the query, and no header: neither a token nor a search gets into the log.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        identity = request_id_for(request.META.get("HTTP_X_REQUEST_ID", ""))
        token = request_id.set(identity)
        started = time.perf_counter()
        try:
            response = self.get_response(request)
            response["X-Request-ID"] = identity
            facts = {
                "method": request.method,
                "path": request.path,
                "status": response.status_code,
                "ms": round((time.perf_counter() - started) * 1000, 1),
            }
            # core.server tries again after a missed lock, or logs the answer itself.
            is_attempt = isinstance(getattr(response, "refusal", None), LockNotAvailable)
            level = logging.DEBUG if is_attempt else logging.INFO
            log.log(level, "%s %s", request.method, request.path, extra={"facts": facts})
            return response
        finally:
            request_id.reset(token)


class ContentSecurityPolicyMiddleware:
    """Lets pages load and call only what this server serves."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response.setdefault("Content-Security-Policy", settings.CONTENT_SECURITY_POLICY)
        return response


class AdminOnlyMixin(MiddlewareMixin):
    """Skips a middleware outside of the admin, the only user of sessions."""

    def __call__(self, request: HttpRequest) -> Any:
        return super().__call__(request) if request.path_info.startswith("/admin") else self.get_response(request)


class AdminSessionMiddleware(AdminOnlyMixin, SessionMiddleware):
    pass


class AdminAuthenticationMiddleware(AdminOnlyMixin, AuthenticationMiddleware):
    pass


class AdminMessageMiddleware(AdminOnlyMixin, MessageMiddleware):
    pass


class ExceptionMiddleware:
    """Answers an exception of a view: JSON, or text in the admin."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not request.path_info.startswith("/admin"):
            return error_response(exception)
        refusal = refusal_of(exception)
        if refusal is None:
            return None
        response = HttpResponse(
            str(refusal), content_type="text/plain", status=status_of(refusal), headers=headers_of(refusal)
        )
        response.refusal = refusal  # type: ignore[attr-defined]
        return response
