"""The OpenAPI document, made of ``@operation`` and of permissions.

Examples of refusals are made by the code that answers them.
"""

import json
import re
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import orjson
import yaml
from django.http import HttpResponse
from drf_spectacular import openapi
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.settings import spectacular_settings
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework import exceptions
from rest_framework.permissions import IsAdminUser

from core import errors
from core.api.exceptions import error_response
from core.api.operations import Declaration
from core.api.pagination import PageQuery

HEADERS: dict[str, dict[str, Any]] = spectacular_settings.APPEND_COMPONENTS["headers"]
EXAMPLES: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "examples.yaml").read_text())
PARAMETERS: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "parameters.yaml").read_text())


class AutoSchema(openapi.AutoSchema):
    """Documents an operation by its declaration and its view's permissions."""

    @property
    def declared(self) -> Declaration:
        return getattr(self.view, self.method.lower()).operation

    def get_operation_id(self) -> str:
        return self.declared.operation_id

    def get_summary(self) -> str:
        return self.declared.summary

    def get_tags(self) -> list[str]:
        """Take the view's tag, or else the name of its module."""
        return [getattr(self.view, "tag", None) or type(self.view).__module__.rpartition(".")[2]]

    def get_auth(self) -> list[Any]:
        """Make the token optional where the view's permissions admit an anonymous request."""
        view = self.view
        if not view.get_authenticators():
            return [{}]
        open_to_all = all(permission.has_permission(view.request, view) for permission in view.get_permissions())
        return [{}, {"bearer": []}] if open_to_all else [{"bearer": []}]

    def get_request_serializer(self) -> Any:
        return self.declared.request

    def get_response_serializers(self) -> Any:
        declared = self.declared
        key = (self._status, declared.media_type) if declared.media_type else self._status
        return {key: OpenApiResponse(declared.response, description=HTTPStatus(self._status).phrase)}

    def get_override_parameters(self) -> list[Any]:
        declared = self.declared
        taken = {"Idempotency-Key": declared.verb, "If-None-Match": declared.etag}
        headers = [OpenApiParameter(name, location="header", **PARAMETERS[name]) for name in taken if taken[name]]
        return [declared.query, *headers] if declared.query else headers

    def get_examples(self) -> list[OpenApiExample]:
        """Take the examples of the serializers, or of the operation."""
        name, status, examples = self.declared.operation_id, str(self._status), []
        if answered := EXAMPLES.get(name) or EXAMPLES.get(_component_name(self.declared.response)):
            examples += [OpenApiExample(name, value=answered, response_only=True, status_codes=[status])]
        if sent := EXAMPLES.get(_component_name(self.declared.request)):
            fields = self.declared.request().fields
            sent = {field: value for field, value in sent.items() if not fields[field].read_only}
            examples += [OpenApiExample(name, value=sent, request_only=True)]
        return examples

    def get_operation(self, *args: Any) -> Any:
        """Add the headers of the answer, 304, and the refusals."""
        document: Any = super().get_operation(*args)
        declared = self.declared
        is_paged = declared.query and issubclass(declared.query, PageQuery)
        responses = document["responses"]
        (answer,) = responses.values()
        answer["headers"] = _references(
            "X-Request-ID",
            *(["X-Total-Count", "Link"] if is_paged else []),
            *(["Idempotent-Replayed"] if declared.verb else []),
            *(["ETag"] if declared.etag else []),
        )
        if declared.links:
            answer["links"] = declared.links
        if declared.etag:
            headers = _references("X-Request-ID", "ETag")
            responses["304"] = {"description": "Nothing has changed.", "headers": headers}
        by_status: dict[int, list[HttpResponse]] = {}
        for refusal in self._refusals(document):
            response = error_response(refusal)
            by_status.setdefault(response.status_code, []).append(response)
        responses |= {str(status): self._register_refusals(group) for status, group in by_status.items()}
        responses["500"] = {"$ref": "#/components/responses/InternalError"}
        return {**document, "responses": dict(sorted(responses.items()))}

    @property
    def _status(self) -> int:
        return 204 if self.declared.response is None else self.declared.status

    def _refusals(self, document: dict[str, Any]) -> Iterator[Exception]:
        """Give an instance of each refusal that the operation can answer."""
        declared, security = self.declared, document["security"]
        kinds_by_condition: list[tuple[Any, Iterable[type[errors.DomainError]]]] = [
            (declared.request, [errors.Invalid, errors.MalformedJSON, errors.PayloadTooLarge, errors.RequestTimeout]),
            (declared.query, [errors.Invalid]),
            ({} not in security, [errors.NotAuthenticated]),
            (security != [{}], [errors.TokenNotValid]),
            ("{" in self.path, [errors.NotFound]),
            (declared.database, [errors.Busy, errors.DatabaseUnavailable]),
            (declared.database and self.method != "GET", [errors.OutcomeUnknown]),
            (self.path != "/livez", [errors.Overloaded]),
            (declared.verb, [errors.IdempotencyKeyInvalid, errors.IdempotencyKeyReused, errors.IdempotencyInProgress]),
            (declared.verb, declared.verb.refusals if declared.verb else []),
            (True, declared.refusals),
        ]
        for kind in dict.fromkeys(kind for applies, kinds in kinds_by_condition if applies for kind in kinds):
            yield kind(**kind.example)
        if declared.request:
            yield exceptions.UnsupportedMediaType("text/plain")
        if {} not in security and any(isinstance(each, IsAdminUser) for each in self.view.get_permissions()):
            yield exceptions.PermissionDenied()
        yield exceptions.NotAcceptable()

    def _register_refusals(self, group: list[HttpResponse]) -> dict[str, str]:
        """Register the refusals of one status as a response; return its reference."""
        bodies = [orjson.loads(response.content) for response in group]
        headers = [HEADERS.keys() & response.headers.keys() for response in group]
        always = set.intersection(*headers)
        sometimes = {name: {**HEADERS[name], "required": False} for name in sorted(set.union(*headers) - always)}
        response = {
            "description": "\n".join(
                f"- `{body['code']}`: {_meaning(response, body)}" for response, body in zip(group, bodies, strict=True)
            ),
            "headers": {**_references("X-Request-ID", *sorted(always)), **sometimes},
            "content": {
                "application/json": {
                    "schema": {"$ref": "#/components/schemas/Error"},
                    "examples": {body["code"]: {"value": body} for body in bodies},
                }
            },
        }
        name = "Or".join(body["code"].title().replace("_", "") for body in bodies)
        component = ResolvedComponent(name=name, type=ResolvedComponent.RESPONSE, schema=response, object=name)
        self.registry.register_on_missing(component)
        return component.ref


def name_partial_changes(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Call what PATCH takes ``MovieChanges``, not ``PatchedMovieRequest`` (a drf-spectacular hook)."""
    text = re.sub(r"\bPatched(\w+)Request\b", r"\1Changes", json.dumps(result, default=str))
    return dict(json.loads(text))


def _component_name(serializer: Any) -> str:
    """Give the name of a serializer's component, for one or for many."""
    serializer = getattr(serializer, "child", serializer)
    kind = serializer if isinstance(serializer, type) else type(serializer)
    return kind.__name__.removesuffix("Serializer")


def _references(*headers: str) -> dict[str, dict[str, str]]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in headers}


def _meaning(response: HttpResponse, body: dict[str, str]) -> str:
    """Say when an error is answered: its docstring, or its detail."""
    refusal = getattr(response, "refusal", None)
    return str(refusal.__doc__ if refusal else body["detail"]).strip().splitlines()[0].replace("``", "`")
