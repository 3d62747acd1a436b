"""Lists over REST: a page of one, and answers that are kept while nothing changes."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import ResponseHeaders
from django.utils.cache import get_conditional_response
from rest_framework import serializers

from core.api.fields import DigitsField
from core.api.rest import answer
from core.kept import Kept

LARGEST_PAGE = 1000
LARGEST_OFFSET = 999_999_999

Q = TypeVar("Q", bound=QuerySet[Any])


class PageQuery(serializers.Serializer[Any]):
    """What every list takes; a list's own filters are added to it."""

    limit = DigitsField(
        min_value=1, max_value=LARGEST_PAGE, default=LARGEST_PAGE, help_text=f"Rows a page, 1 to {LARGEST_PAGE}."
    )
    offset = DigitsField(
        min_value=0, max_value=LARGEST_OFFSET, default=0, help_text="Rows to leave out before the first."
    )


def answer_page(
    request: HttpRequest,
    rows: Q,
    write_rows: Callable[[Q], list[dict[str, Any]]],
    *,
    limit: int,
    offset: int,
) -> HttpResponse:
    """Answer one page of the rows as a plain array, with headers that lead to the others."""
    page = write_rows(rows[offset : offset + limit])
    is_last = len(page) < limit and (page or not offset)
    total = offset + len(page) if is_last else rows.count()
    links = []
    if offset + limit < total:
        links.append(_link(request, "next", limit, offset + limit))
    if offset > 0:
        links.append(_link(request, "prev", min(limit, offset), max(0, offset - limit)))
    return answer(page, headers={"X-Total-Count": str(total)} | ({"Link": ", ".join(links)} if links else {}))


def _link(request: HttpRequest, rel: str, limit: int, offset: int) -> str:
    query = request.GET.copy()
    query["limit"], query["offset"] = str(limit), str(offset)
    return f'<{request.build_absolute_uri(request.path)}?{query.urlencode()}>; rel="{rel}"'


# --- Answers that are kept ----------------------------------------------------------------------

_MOST_KEPT = 64
_LARGEST_KEPT = 256 * 1024  # bytes; a thousand movies have some 70 kB
_OTHER_CONDITIONS = {"HTTP_IF_MATCH", "HTTP_IF_UNMODIFIED_SINCE"}
_kept: Kept[HttpResponse] = Kept(_MOST_KEPT)


def answer_kept(request: HttpRequest, version: str | None, answered: Callable[[], HttpResponse]) -> HttpResponse:
    """Answer as ``answered`` does, or with what it answered for this address and version before.

    The version is the ``ETag``: whoever sends it as ``If-None-Match`` is told 304 while it stays.
    """
    if version is None:
        return answered()

    address = request.build_absolute_uri()
    response = _kept.answer(address, version, answered, worth=lambda told: len(told.content) <= _LARGEST_KEPT)
    told = HttpResponse(response.content, status=response.status_code)
    told.headers = ResponseHeaders(response.headers)  # of its own, for middleware to add to
    return answer_named(request, version, lambda: told)


def answer_named(request: HttpRequest, name: str, answered: Callable[[], HttpResponse]) -> HttpResponse:
    """Answer as ``answered`` does, with the name of what it tells as ``ETag``; or 304 to whoever has it already."""
    etag = f'"{name}"'
    unchanged = None
    if not _OTHER_CONDITIONS & request.META.keys():  # which are for those who write
        unchanged = get_conditional_response(request, etag=etag)
    response: HttpResponse = unchanged or answered()
    response.headers["ETag"], response.headers["Cache-Control"] = etag, "no-cache"  # ask each time
    return response
