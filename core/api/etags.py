"""ETags: 304 to a client that has the present state already."""

from collections.abc import Callable

from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import quote_etag
from rest_framework.request import Request

_CONDITIONS_OF_WRITES = {"HTTP_IF_MATCH", "HTTP_IF_UNMODIFIED_SINCE"}


def respond_with_etag(request: Request, state: str, make_response: Callable[[], HttpResponseBase]) -> HttpResponseBase:
    """Answer 304 if ``If-None-Match`` names this state, else what ``make_response`` makes."""
    etag = quote_etag(state)
    not_modified = None
    if not _CONDITIONS_OF_WRITES & request.META.keys():  # which would be answered with 412
        not_modified = get_conditional_response(request, etag=etag)
    response: HttpResponseBase = not_modified or make_response()
    response.headers["ETag"], response.headers["Cache-Control"] = etag, "no-cache"  # may be stored, must be revalidated
    return response
