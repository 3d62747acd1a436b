"""The view of the graph, with the HTTP contract of docs/api.md."""

import re
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_exempt
from graphql import GraphQLError
from rest_framework.exceptions import MethodNotAllowed, UnsupportedMediaType
from strawberry.django import views
from strawberry.types import ExecutionResult

from core.api.authentication import bearer_of
from core.api.exceptions import headers_of, replay_headers
from core.api.parsers import parse_json, read_body
from core.api.renderers import ORJSONRenderer
from core.database import refusal_of
from core.errors import Invalid, TokenNotValid
from core.throttling import client_address
from graphql_api import subscriptions
from graphql_api.context import Context, Operation
from graphql_api.errors import as_top_level_error, log_internal_error
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
            context = self.get_context(request)
            response = self.run(request, context=context)
            return subscriptions.respond(request, context, self.schema) if context.subscription else response
        except Exception as error:
            fault = GraphQLError(str(error), original_error=error)
            log_internal_error(fault)
            result, sub_response = ExecutionResult(data=None, errors=[fault]), self.get_sub_response(request)
            _set_status_and_headers(sub_response, result)
            return self.create_response(self.process_result(request, result), sub_response)

    def get_context(self, request: HttpRequest, response: HttpResponse | None = None) -> Context:
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

    def execute_operation(
        self, request: HttpRequest, context: Context, root_value: None, sub_response: Any
    ) -> ExecutionResult:
        operation = context.operation
        result = self.schema.execute_sync(operation.query, operation.variables, context, operation_name=operation.name)
        _set_status_and_headers(sub_response, result, context)
        return result

    def process_result(self, request: HttpRequest, result: ExecutionResult) -> Any:
        body: dict[str, Any] = {"data": result.data}
        if result.errors:
            body["errors"] = [answer for _, answer in map(as_top_level_error, result.errors)]
        return body

    def encode_json(self, data: object) -> bytes:
        return ORJSONRenderer().render(data)

    def create_response(self, response_data: Any, sub_response: Any) -> HttpResponseBase:
        response: Any = super().create_response(response_data, sub_response)
        response.refusal = sub_response.refusal
        if "errors" not in response_data and subscriptions.accepts_only_events(self.request):
            subscriptions.format_as_events(response)
        return response  # type: ignore[no-any-return]


graphql = GraphQLView.as_view(schema=schema)


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


def _set_status_and_headers(response: Any, result: ExecutionResult, context: Context | None = None) -> None:
    response.refusal = context.lock_not_available if context else None
    headers = {} if result.errors else replay_headers(context)
    if result.errors and result.data is None:  # because of the last error
        response.status_code, _ = as_top_level_error(result.errors[-1])
        if refusal := refusal_of(result.errors[-1].original_error):
            response.refusal, headers = refusal, headers_of(refusal)
        elif response.status_code == 405:
            headers = {"Allow": "POST"}
    for name, value in headers.items():
        response.headers[name] = value
