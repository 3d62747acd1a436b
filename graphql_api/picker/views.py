"""Pages for visitors, whose scripts query the graph: programme and seat picker."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt

from catalog.models import Show
from core.api.renderers import json_response as json_answer


@csrf_exempt  # so that a POST is answered with 405, as at any other address
def start(request: HttpRequest) -> HttpResponse:
    """Show the programme of the coming days."""
    return _page(request, "graphql_api/start.html")


@csrf_exempt
def picker(request: HttpRequest, show_id: int) -> HttpResponse:
    """Show the seat picker of a show."""
    found = Show.objects.filter(pk=show_id).exists()
    return _page(request, "graphql_api/picker.html", {"show_id": show_id, "found": found}, status=200 if found else 404)


def _page(request: HttpRequest, template: str, facts: dict[str, Any] | None = None, status: int = 200) -> HttpResponse:
    if request.method not in ("GET", "HEAD"):
        refusal = {"code": "method_not_allowed", "detail": f'Method "{request.method}" not allowed.'}
        return json_answer(refusal, status=405, headers={"Allow": "GET, HEAD"})
    return render(request, template, {"development": settings.DEBUG, **(facts or {})}, status=status)
