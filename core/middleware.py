"""Middleware: request log, content security policy, the admin's sessions, exceptions."""

import logging
import re
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.db import DatabaseError
from django.db.models.deletion import ProtectedError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

from core.api.exceptions import error_response
from core.database import refusal_of
from core.errors import DomainError, LockNotAvailable
from core.observability.logs import new_request_id, request_id

log = logging.getLogger("request")


class RequestLogMiddleware:
    """Gives each request an ``X-Request-ID``, the client's own if it is safe, and logs one line of it.

    The line has the path but not the query, and no header: neither a token nor a search gets into the log.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        identity = given if re.fullmatch(r"[A-Za-z0-9._-]{1,64}", given) else new_request_id()
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


class ContentSecurityPolicyMiddleware(MiddlewareMixin):
    """Lets pages load and call only what this server serves."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
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


class ExceptionMiddleware(MiddlewareMixin):
    """Answers an exception of a view: JSON, or for people in the admin."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if request.path_info.startswith("/admin"):
            return _admin_response(request, exception)
        return error_response(exception)


def _admin_response(request: HttpRequest, exception: Exception) -> HttpResponse | None:
    """Show a refusal as a message; as text where the database did not answer."""
    refusal = refusal_of(exception)
    if isinstance(exception, DomainError) and not isinstance(exception, LockNotAvailable):
        message = str(exception)
    elif refusal:  # core.server tries again after a missed lock
        response = error_response(refusal)
        response.content, response.headers["Content-Type"] = str(refusal), "text/plain"
        return response
    elif request.path_info == "/admin/":
        return None
    elif isinstance(exception, ProtectedError | DatabaseError):  # a rival was faster than the form's own checks
        message = "Nothing was changed: something else changed at the same moment. Check and try again."
    elif isinstance(exception, ValueError | OverflowError):  # an address or a form that no page contains
        message = "The request can't be read. Nothing was changed."
    else:
        return None
    messages.error(request, message)
    return HttpResponseRedirect(request.path if request.method == "POST" or request.GET else "/admin/")
