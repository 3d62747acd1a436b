"""The base of every REST view."""

from typing import Any

from rest_framework import exceptions, views
from rest_framework.permissions import AllowAny
from rest_framework.request import Request

from core.api.operations import Declaration
from core.api.parsers import refuse_chunked_body
from core.errors import DomainError, LockNotAvailable
from core.observability import metrics


class APIView(views.APIView):
    """A REST address, whose methods are declared with ``@operation``.

    A method that is not there is refused before anything else is checked. The outcome of an operation with a metric
    is counted, once it has got past authentication and permissions.
    """

    # CORS preflights are answered before any view, and nothing else needs OPTIONS.
    http_method_names = ["get", "post", "put", "patch", "delete", "head"]
    declared: Declaration
    """What the method that runs declares of itself."""
    metric = ""
    """The name under which the outcome is counted, as the operation declares it; a method may choose another."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if request.method not in self.allowed_methods:
            raise exceptions.MethodNotAllowed(str(request.method))
        super().initial(request, *args, **kwargs)
        declared: Declaration | None = getattr(getattr(self, str(request.method).lower()), "operation", None)
        if declared:
            self.declared = declared
            self.metric = declared.metric or (declared.verb.name if declared.verb else "")
            if declared.request:
                refuse_chunked_body(request)
                # DRF looks at the media type of a body only if the body is not empty.
                parser = self.get_content_negotiator().select_parser(request, self.get_parsers())
                if request.content_type and not parser:
                    raise exceptions.UnsupportedMediaType(request.content_type)

    def validated_data(self) -> dict[str, Any]:
        """Validate the body or query string with the declared serializer.

        PATCH takes some of its fields, any other method all.
        """
        if self.declared.request:
            serializer = self.declared.request(data=self.request.data, partial=self.request.method == "PATCH")
        else:
            serializer = self.declared.query(data=self.request.query_params)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        refusal = getattr(response, "refusal", None)
        if self.metric and not isinstance(refusal, LockNotAvailable):  # after which core.server tries again
            metrics.count_operation(self.metric, _outcome(response, refusal), "rest")
        return response


class PublicAPIView(APIView):
    """A REST address that is open to everybody and reads no token."""

    authentication_classes = []
    permission_classes = [AllowAny]


def _outcome(response: Any, refusal: DomainError | None) -> str:
    """Name an outcome for metrics: done, replayed, or a refusal's code."""
    if response.has_header("Idempotent-Replayed"):
        return "replayed"
    if response.status_code < 400:
        return "done"
    return refusal.code if refusal else "invalid" if response.status_code < 500 else "fault"
