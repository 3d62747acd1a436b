"""The address of the graph: who is asking, one JSON object in, one JSON object out.

It is not Strawberry's own view: that one takes GET, answers in plain text, and lets a body of ``null``, bad UTF-8 or
a bad token become a 500.
"""

import re
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from graphql import GraphQLError

from core.api.authentication import bearer_of
from core.api.exceptions import headers_of, replay_headers, status_of
from core.api.parsers import parse_json, read_body
from core.api.renderers import json_response as json_answer
from core.errors import DomainError, Invalid, TokenNotValid
from core.server.streams import can_stream
from core.throttling import client_address
from graphql_api.errors import as_refusal, formatted
from graphql_api.schema import Context, Graph, schema
from graphql_api.subscriptions import EVENTS, Watch, as_only_event


@csrf_exempt  # who is asking is told by the bearer token alone; a session's cookie counts for nothing here
def graphql(request: HttpRequest) -> HttpResponseBase:
    """Answer a query, a mutation or a subscription; in development, show GraphiQL to a browser."""
    if request.method == "GET" and settings.DEBUG and "text/html" in request.headers.get("Accept", ""):
        return render(request, "graphql_api/graphiql.html")
    if request.method != "POST":
        return _refused("method_not_allowed", "Send a POST.", 405, {"Allow": "POST"})
    if request.content_type != "application/json":
        return _refused("unsupported_media_type", "Send application/json.", 415)
    return answer(request, schema)


def answer(request: HttpRequest, schema: Graph) -> HttpResponseBase:
    """Execute what the body asks for.

    The status is 200 where there is an answer, also if it is a refusal or in part; 400 where the query or its
    variables do not fit the schema; 401, 503 and 500 as in REST.
    """
    try:
        query, variables, operation_name = _operation(parse_json(read_body(request)))
        context = _context(request)
        result = schema.ask(query, variables, context, operation_name)
        if isinstance(result, Watch):
            return _watch(result, request, context)
    except DomainError as refusal:
        return _answer_errors([GraphQLError(str(refusal), original_error=refusal)])
    except GraphQLError as fault:
        return _answer_errors([fault])
    except Exception as fault:
        return _answer_errors([GraphQLError("", original_error=fault)])
    if result.errors:
        return _answer_errors(result.errors, data=result.data)
    response = json_answer({"data": result.data}, headers=replay_headers(context))
    return as_only_event(response) if _reads_nothing_but_events(request) else response


def _watch(watch: Watch, request: HttpRequest, context: Context) -> HttpResponseBase:
    if EVENTS not in _accepted(request):
        return _refused("not_acceptable", f"A subscription is told in events: send Accept: {EVENTS}.", 406)
    if not can_stream(request):
        return _refused("not_acceptable", "Subscriptions are not served here.", 406)
    return watch.begin(until=context.bearer.until if context.bearer else None)


def _reads_nothing_but_events(request: HttpRequest) -> bool:
    accepted = _accepted(request)
    return EVENTS in accepted and "json" not in accepted and "*/*" not in accepted


def _accepted(request: HttpRequest) -> str:
    return str(request.META.get("HTTP_ACCEPT", "")).lower()


def _context(request: HttpRequest) -> Context:
    address = client_address(request)
    try:
        return Context(bearer=bearer_of(request), address=address)
    except TokenNotValid as refused:
        return Context(bearer=None, address=address, refused=refused)


def _operation(body: Any) -> tuple[str, dict[str, Any] | None, str | None]:
    """Take the body apart.

    :raises Invalid: it is not an object, or a member of it is not of its type.
    """
    if not isinstance(body, dict):
        raise Invalid(errors={"non_field_errors": ["Send one JSON object; batches are not taken."]})
    query, variables, name = body.get("query"), body.get("variables"), body.get("operationName")
    if not isinstance(query, str) or not query.strip():
        raise Invalid(errors={"query": ["Send a query, as a string."]})
    if re.search("[0-9]{1000}", query):  # the library fails on it
        raise Invalid(errors={"query": ["A number is too long."]})
    if not isinstance(variables, dict | None):
        raise Invalid(errors={"variables": ["Send an object."]})
    if not isinstance(name, str | None):
        raise Invalid(errors={"operationName": ["Send a string."]})
    return query, variables, name or None


def _answer_errors(errors: list[GraphQLError], data: dict[str, Any] | None = None) -> HttpResponse:
    told = [formatted(error) for error in errors]
    if data is not None:  # an answer, although not to everything: what it says has happened
        return json_answer({"data": data, "errors": told})
    headers: dict[str, str] = {}
    status = 500 if any(error["extensions"]["code"] == "internal_error" for error in told) else 400
    for error in errors:
        if refusal := as_refusal(error):
            status, headers = status_of(refusal), headers_of(refusal)
    response = json_answer({"data": None, "errors": told}, status=status, headers=headers)
    response.refusal = next((refusal for error in errors if (refusal := as_refusal(error))), None)  # type: ignore[attr-defined]
    return response


def _refused(code: str, message: str, status: int, headers: dict[str, str] | None = None) -> HttpResponse:
    error = {"message": message, "extensions": {"code": code}}
    return json_answer({"data": None, "errors": [error]}, status=status, headers=headers)
