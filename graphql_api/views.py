"""The view of the graph, with the HTTP contract of docs/api.md."""

import re
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from graphql import GraphQLError
from rest_framework.exceptions import MethodNotAllowed, UnsupportedMediaType
from strawberry.types import ExecutionResult

from core.api.authentication import bearer_of
from core.api.exceptions import headers_of, replay_headers
from core.api.parsers import parse_json, read_body
from core.api.renderers import json_response
from core.database import refusal_of
from core.errors import DomainError, Invalid, TokenNotValid
from core.throttling import client_address
from graphql_api import subscriptions
from graphql_api.context import Context, Operation
from graphql_api.errors import as_top_level_error, log_internal_error
from graphql_api.schema import schema


@csrf_exempt  # only the bearer token authenticates; a session's cookie does not
def graphql(request: HttpRequest) -> HttpResponseBase:
    """Answer a POST of one operation; in development, show GraphiQL.

    The status is 200 where there is an answer, also if it is a refusal or in part; 400 where the query or its
    variables do not fit the schema; 401, 503 and 500 as in REST.
    """
    if request.method == "GET" and settings.DEBUG and "text/html" in request.headers.get("Accept", ""):
        return render(request, "graphql/graphiql.html")
    try:
        context = read_request(request)
        operation = context.operation
        result = schema.execute_sync(operation.query, operation.variables, context, operation_name=operation.name)
        if context.subscription:
            return subscriptions.respond(request, context, schema)
    except Exception as error:
        return _respond(request, _failure(error))
    return _respond(request, result, context)


def _failure(error: Exception) -> ExecutionResult:
    fault = GraphQLError(str(error), original_error=error)
    log_internal_error(fault)
    return ExecutionResult(data=None, errors=[fault])


def read_request(request: HttpRequest) -> Context:
    """Read what a request asks for.

    :raises MethodNotAllowed, UnsupportedMediaType: it is no POST of JSON.
    :raises MalformedJSON, PayloadTooLarge, Invalid: the body can't be read.
    """
    if request.method != "POST":
        raise MethodNotAllowed(str(request.method))
    if request.content_type != "application/json":
        raise UnsupportedMediaType(str(request.content_type))
    context = Context(_operation(parse_json(read_body(request))), client_address(request))
    try:
        context.bearer = bearer_of(request)
    except TokenNotValid as error:
        context.token_error = error
    return context


def _operation(body: Any) -> Operation:
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
    return Operation(query, variables or {}, name or None)


def _respond(request: HttpRequest, result: ExecutionResult, context: Context | None = None) -> HttpResponseBase:
    body: dict[str, Any] = {"data": result.data}
    status, headers = 200, {}
    refusal: DomainError | None = context.lock_not_available if context else None
    if not result.errors:
        headers = replay_headers(context)
    else:
        errors = [as_top_level_error(error) for error in result.errors]
        body["errors"] = [answer for _, answer in errors]
        if result.data is None:  # because of the last error
            status, _ = errors[-1]
            refusal = refusal_of(result.errors[-1].original_error)
            headers = headers_of(refusal) if refusal else {}
    response: Any = json_response(body, status=status, headers=headers)
    response.refusal = refusal
    if status == 405:
        response["Allow"] = "POST"
    if not result.errors and subscriptions.accepts_only_events(request):
        subscriptions.format_as_events(response)
    return response  # type: ignore[no-any-return]
