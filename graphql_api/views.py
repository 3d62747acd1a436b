"""The view of the graph, with the HTTP contract of docs/api.md."""

import re
from collections.abc import Mapping
from typing import Any

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_exempt
from graphql import GraphQLError
from strawberry.django import views
from strawberry.schema.exceptions import CannotGetOperationTypeError
from strawberry.types import ExecutionResult

from core.api.authentication import bearer_of
from core.api.exceptions import headers_of, replay_headers, status_of
from core.api.parsers import parse_json, read_body
from core.errors import Invalid, TokenNotValid
from core.throttling import client_address
from graphql_api import subscriptions
from graphql_api.context import Context
from graphql_api.errors import HTTPRefusal, error_body, first_refusal, log_internal_error
from graphql_api.schema import schema


@method_decorator(csrf_exempt, name="dispatch")  # only the bearer token authenticates; a session's cookie does not
class GraphQLView(views.GraphQLView[Context, None]):
    """Answers a POST of one operation; in development, shows GraphiQL.

    The status is 200 where there is an answer, also if it is a refusal or in part; 400 where the query or its
    variables do not fit the schema; 401, 503 and 500 as in REST.
    """

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method == "GET" and settings.DEBUG and "text/html" in request.headers.get("Accept", ""):
            return self.render_graphql_ide(request)
        try:
            _check_method_and_media_type(request)
            context = self.get_context(request)
            response = self.run(request, context=context)
            return subscriptions.respond(context.subscription, request) if context.subscription else response
        except Exception as error:
            return self._respond_to_error(request, error)

    def get_context(self, request: HttpRequest, response: HttpResponse | None = None) -> Context:
        address = client_address(request)
        try:
            return Context(bearer=bearer_of(request), address=address)
        except TokenNotValid as error:
            return Context(bearer=None, address=address, token_error=error)

    def execute_operation(
        self, request: HttpRequest, context: Context, root_value: None, sub_response: Any
    ) -> ExecutionResult:
        """Execute the operation of a body that is strict JSON.

        The library's own method takes other bodies as well, and batches.

        :raises MalformedJSON, PayloadTooLarge, Invalid: the body can't be read.
        :raises GraphQLError: there is no operation of this name.
        """
        query, variables, context.operation_name = read_operation(request)
        try:
            result = self.schema.execute_sync(
                query, variable_values=variables, context_value=context, operation_name=context.operation_name
            )
        except CannotGetOperationTypeError as error:
            raise GraphQLError(error.as_http_error_reason()) from error
        sub_response.refusal = context.lock_not_available
        _set_status_and_headers(sub_response, result, context)
        return result

    def process_result(self, request: HttpRequest, result: ExecutionResult) -> Any:
        body: dict[str, Any] = {"data": result.data}
        if result.errors:
            body["errors"] = [error_body(error) for error in result.errors]
        return body

    def encode_json(self, data: object) -> bytes:
        return orjson.dumps(data, option=orjson.OPT_UTC_Z)

    def create_response(self, response_data: Any, sub_response: Any) -> HttpResponseBase:
        response: Any = super().create_response(response_data, sub_response)
        response.refusal = getattr(sub_response, "refusal", None)
        if "errors" not in response_data and subscriptions.accepts_only_events(self.request):
            return subscriptions.as_event_stream(response)
        return response  # type: ignore[no-any-return]

    def _respond_to_error(self, request: HttpRequest, error: Exception) -> HttpResponseBase:
        if not isinstance(error, GraphQLError):
            error = GraphQLError(str(error), original_error=error)
        log_internal_error(error)
        result = ExecutionResult(data=None, errors=[error])
        sub_response = self.get_sub_response(request)
        _set_status_and_headers(sub_response, result)
        return self.create_response(self.process_result(request, result), sub_response)


graphql = GraphQLView.as_view(schema=schema)


def _check_method_and_media_type(request: HttpRequest) -> None:
    if request.method != "POST":
        raise HTTPRefusal(405, "method_not_allowed", "Send a POST.", {"Allow": "POST"})
    if request.content_type != "application/json":
        raise HTTPRefusal(415, "unsupported_media_type", "Send application/json.")


def read_operation(request: HttpRequest) -> tuple[str, dict[str, Any] | None, str | None]:
    """Read the query, its variables and the name of the operation.

    :raises MalformedJSON, PayloadTooLarge: the body can't be read.
    :raises Invalid: it is not an object, or a member of it is not of its type.
    """
    body = parse_json(read_body(request))
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


def _set_status_and_headers(response: Any, result: ExecutionResult, context: Context | None = None) -> None:
    """Set status and headers by the errors, unless a part was answered."""
    headers: Mapping[str, str] = {}
    if not result.errors:
        headers = replay_headers(context)
    elif result.data is None:
        cause = result.errors[0].original_error
        if isinstance(cause, HTTPRefusal):
            response.status_code, headers = cause.status, cause.headers
        elif refusal := first_refusal(result.errors):
            response.refusal = refusal
            response.status_code, headers = status_of(refusal), headers_of(refusal)
        else:
            codes = {error_body(error)["extensions"]["code"] for error in result.errors}
            response.status_code = 500 if "internal_error" in codes else 400
    for name, value in headers.items():
        response[name] = value
