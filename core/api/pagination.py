"""Pages of plain arrays, with the total and neighbours in headers."""

from typing import Any

from rest_framework import pagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from core.api.fields import DigitsField
from core.api.serializers import QuerySerializer

MAX_PAGE_SIZE = 1000
MAX_OFFSET = 999_999_999


class PageQuery(QuerySerializer):
    """The query parameters of every list; subclasses add filters."""

    limit = DigitsField(
        min_value=1, max_value=MAX_PAGE_SIZE, default=MAX_PAGE_SIZE, help_text=f"Rows a page, 1 to {MAX_PAGE_SIZE}."
    )
    offset = DigitsField(min_value=0, max_value=MAX_OFFSET, default=0, help_text="Rows to leave out before the first.")


class LimitOffsetPagination(pagination.LimitOffsetPagination):
    """Pages by ``limit`` and ``offset``, which ``PageQuery`` has validated."""

    default_limit = max_limit = MAX_PAGE_SIZE
    request: Request
    limit: int
    offset: int

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> Any:
        """Slice the queryset; a serializer may still choose its columns."""
        self.request, self.queryset = request, queryset
        self.limit, self.offset = self.get_limit(request) or MAX_PAGE_SIZE, self.get_offset(request)
        return queryset[self.offset : self.offset + self.limit]

    def get_headers(self, data: Any) -> dict[str, str]:
        """Give the headers of a page that has been serialized."""
        # A page that is not full is the last, so that the rows need not be counted.
        is_last = len(data) < self.limit and (data or not self.offset)
        self.count = self.offset + len(data) if is_last else self.queryset.count()
        neighbours = {"next": self.get_next_link(), "prev": self.get_previous_link()}
        links = ", ".join(f'<{url}>; rel="{rel}"' for rel, url in neighbours.items() if url)
        return {"X-Total-Count": str(self.count), **({"Link": links} if links else {})}

    def get_paginated_response(self, data: Any) -> Response:
        return Response(data, headers=self.get_headers(data))

    def get_previous_link(self) -> str | None:
        """Link to the rows before this page, without repeating any of it."""
        if not self.offset:
            return None
        url = self.request.build_absolute_uri()
        url = replace_query_param(url, self.limit_query_param, min(self.limit, self.offset))
        return replace_query_param(url, self.offset_query_param, max(0, self.offset - self.limit))
