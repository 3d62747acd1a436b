"""The OpenAPI document keeps to the contract, and the service keeps to the document.

What no list of cases covers is for ``make schemathesis`` to find.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from django.contrib.auth.password_validation import MinimumLengthValidator, get_default_password_validators
from django.core.exceptions import ValidationError
from django.test import Client
from jsonschema import Draft202012Validator

from core.api.pages import openapi_document
from core.models import User
from core.urls import CANONICAL, Id

ANYONE, USER, STAFF = "anyone", "user", "staff"

OPERATIONS = {
    "POST /signup": ANYONE,
    "POST /login": ANYONE,
    "POST /token/refresh/": ANYONE,
    "POST /logout": ANYONE,
    "GET /me/": USER,
    "GET /movies/": ANYONE,
    "POST /movies/": STAFF,
    "GET /movies/{movie_id}/": ANYONE,
    "PUT /movies/{movie_id}/": STAFF,
    "PATCH /movies/{movie_id}/": STAFF,
    "DELETE /movies/{movie_id}/": STAFF,
    "GET /movies/{movie_id}/shows/": ANYONE,
    "POST /movies/{movie_id}/shows/": STAFF,
    "GET /shows/{show_id}/": ANYONE,
    "PUT /shows/{show_id}/": STAFF,
    "PATCH /shows/{show_id}/": STAFF,
    "DELETE /shows/{show_id}/": STAFF,
    "GET /shows/{show_id}/seats/": ANYONE,
    "GET /shows/{show_id}/best-seats/": ANYONE,
    "GET /shows/{show_id}/blocked-seats/": STAFF,
    "POST /shows/{show_id}/blocked-seats/": STAFF,
    "DELETE /shows/{show_id}/blocked-seats/{seat_number}/": STAFF,
    "POST /shows/{show_id}/book/": USER,
    "POST /shows/{show_id}/holds/": USER,
    "GET /holds/{hold_id}/": USER,
    "DELETE /holds/{hold_id}/": USER,
    "POST /holds/{hold_id}/confirm/": USER,
    "POST /holds/{hold_id}/extend/": USER,
    "GET /my-holds/": USER,
    "POST /bookings/{booking_id}/move/": USER,
    "GET /bookings/{booking_id}/": USER,
    "POST /bookings/{booking_id}/cancel/": USER,
    "GET /my-bookings/": USER,
    "GET /schema/": ANYONE,
    "GET /swagger/": ANYONE,
    "GET /livez": ANYONE,
    "GET /readyz": ANYONE,
}

CODES = {
    "400": {"invalid", "malformed_json", "seat_out_of_range", "idempotency_key_invalid"},
    "401": {"not_authenticated", "token_not_valid", "no_active_account"},
    "403": {"permission_denied"},
    "404": {"not_found"},
    "405": {"method_not_allowed"},
    "406": {"not_acceptable"},
    "408": {"request_timeout"},
    "413": {"payload_too_large"},
    "415": {"unsupported_media_type"},
    "409": {
        "seat_taken",
        "seat_held",
        "seat_blocked",
        "seats_unavailable",
        "no_adjacent_seats",
        "too_many_held",
        "hold_confirmed",
        "show_full",
        "show_started",
        "already_cancelled",
        "seats_in_use",
        "protected",
        "idempotency_in_progress",
    },
    "410": {"hold_expired"},
    "422": {"idempotency_key_reused"},
    "429": {"throttled"},
    "500": {"internal_error"},
    "503": {"busy", "database_unavailable", "outcome_unknown", "overloaded"},
}

KEYED = {
    "POST /shows/{show_id}/book/",
    "POST /shows/{show_id}/holds/",
    "POST /holds/{hold_id}/confirm/",
    "POST /holds/{hold_id}/extend/",
    "DELETE /holds/{hold_id}/",
    "POST /bookings/{booking_id}/cancel/",
    "POST /bookings/{booking_id}/move/",
}
PAGED = {"GET /movies/", "GET /movies/{movie_id}/shows/", "GET /my-bookings/", "GET /my-holds/"}
NAMED = {"GET /movies/", "GET /shows/{show_id}/seats/"}

DOCUMENT = openapi_document()
COMPONENTS = DOCUMENT["components"]
BY_NAME = {
    f"{method.upper()} {path}": operation
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}

each_operation = pytest.mark.parametrize("name", OPERATIONS)


def named(reference: dict[str, Any], kind: str) -> Any:
    """Follow a reference to a component."""
    return COMPONENTS[kind][reference["$ref"].removeprefix(f"#/components/{kind}/")]


def errors_of(name: str) -> dict[str, Any]:
    """Give the responses of an operation that are errors, by status."""
    responses = BY_NAME[name]["responses"]
    return {status: named(response, "responses") for status, response in responses.items() if status >= "400"}


def codes_of(name: str) -> set[str]:
    return {code for error in errors_of(name).values() for code in error["content"]["application/json"]["examples"]}


def send(rest: Any, name: str, who: Any = None, **headers: str) -> Any:
    method, path = name.split()
    return rest.send(method, re.sub("{.*?}", "1", path), None if method == "GET" else {}, who, **headers)


class TestOperations:
    def test_are_those_of_the_contract(self) -> None:
        assert set(BY_NAME) == set(OPERATIONS)

    def test_are_at_every_canonical_address(self) -> None:
        addresses = {re.sub("<id:(.*?)>", r"{\1}", f"/{pattern.pattern}") for pattern in CANONICAL}
        assert set(DOCUMENT["paths"]) == addresses

    def test_have_names_that_a_generated_client_can_bear(self) -> None:
        names = [operation["operationId"] for operation in BY_NAME.values()]
        assert len(set(names)) == len(names)
        assert all(re.fullmatch("[a-z]+([A-Z][a-z]+)*", name) for name in names)

    @each_operation
    def test_are_told_in_words_under_a_heading(self, name: str) -> None:
        operation = BY_NAME[name]
        assert operation["summary"]
        assert operation["description"]
        assert set(operation["tags"]) <= {tag["name"] for tag in DOCUMENT["tags"]}

    @pytest.mark.django_db
    @pytest.mark.parametrize("path", DOCUMENT["paths"])
    def test_are_all_that_an_address_allows(self, rest: Any, path: str) -> None:
        documented = {method.upper() for method in DOCUMENT["paths"][path]}
        response = send(rest, f"OPTIONS {path}")
        assert response.status_code == 405
        assert set(response["Allow"].split(", ")) - {"HEAD"} == documented


class TestWhoMay:
    @each_operation
    def test_is_told_as_the_contract_has_it(self, name: str) -> None:
        security = BY_NAME[name]["security"]
        assert ({} in security) == (OPERATIONS[name] == ANYONE)
        assert ("permission_denied" in codes_of(name)) == (OPERATIONS[name] == STAFF)

    @pytest.mark.django_db
    @each_operation
    def test_is_what_the_service_says(self, rest: Any, alice: User, name: str) -> None:
        assert (send(rest, name).status_code == 401) == (OPERATIONS[name] != ANYONE)
        assert (send(rest, name, alice).status_code == 403) == (OPERATIONS[name] == STAFF)

    @pytest.mark.django_db
    @each_operation
    def test_a_bad_token_is_refused_where_it_is_told_and_nowhere_else(self, rest: Any, name: str) -> None:
        takes_a_token = {"bearer": []} in BY_NAME[name]["security"]
        response = send(rest, name, "nonsense")
        assert (response.status_code == 401) == takes_a_token


class TestErrors:
    @each_operation
    def test_are_told_with_an_example_of_each_code(self, name: str) -> None:
        errors = errors_of(name)
        assert {"406", "500"} <= set(errors)
        for status, error in errors.items():
            content = error["content"]["application/json"]
            assert content["schema"] == {"$ref": "#/components/schemas/Error"}
            assert content["examples"]
            for code, example in content["examples"].items():
                assert code == example["value"]["code"]
                assert code in CODES[status]
                assert f"`{code}`" in error["description"]

    def test_have_the_codes_of_the_contract_and_no_other(self) -> None:
        assert set(COMPONENTS["schemas"]["ErrorCode"]["enum"]) == set().union(*CODES.values())

    def test_have_every_fact_of_an_example_in_their_schema(self) -> None:
        contents = [response["content"]["application/json"] for response in COMPONENTS["responses"].values()]
        examples = [example["value"] for content in contents for example in content["examples"].values()]
        properties = COMPONENTS["schemas"]["Error"]["properties"]
        codes: dict[str, set[str]] = {fact: set() for fact in properties}
        for example in examples:
            for fact in example:
                codes[fact].add(example["code"])
        for fact in properties.keys() - {"code", "detail"}:
            assert properties[fact]["description"] == f"With `{'`, `'.join(sorted(codes[fact]))}`."
        answered = {example["code"] for example in examples} | {"method_not_allowed"}  # of an address
        assert answered == set(COMPONENTS["schemas"]["ErrorCode"]["enum"])

    def test_have_a_code_and_a_detail_and_whatever_else(self) -> None:
        error = COMPONENTS["schemas"]["Error"]
        assert error["required"] == ["code", "detail"]
        assert error["additionalProperties"] is True
        assert {"errors", "min", "max", "seat_number", "retry_after"} <= set(error["properties"])

    @each_operation
    def test_of_a_body_are_told_where_there_is_one(self, name: str) -> None:
        of_a_body = {"malformed_json", "payload_too_large", "unsupported_media_type"}
        assert (codes_of(name) & of_a_body) == (of_a_body if "requestBody" in BY_NAME[name] else set())

    @pytest.mark.parametrize("name", ["GET /livez", "GET /schema/", "GET /swagger/"])
    def test_of_the_database_are_not_told_where_it_is_not_asked(
        self, rest: Any, name: str, django_assert_num_queries: Any, db: None
    ) -> None:
        assert not codes_of(name) & {"busy", "database_unavailable", "outcome_unknown"}
        with django_assert_num_queries(0):
            assert send(rest, name).status_code == 200

    @pytest.mark.parametrize("address", ["/schema/", "/swagger/"])
    def test_are_json_where_the_answer_is_not(self, client: Client, db: None, address: str) -> None:
        for response in (client.post(address), client.get(address, headers={"Accept": "image/png"})):
            assert response["Content-Type"] == "application/json"
            assert json.loads(response.content)["code"] in ("method_not_allowed", "not_acceptable")


def content_of(response: dict[str, Any]) -> dict[str, Any]:
    response = named(response, "responses") if "$ref" in response else response
    return dict(response.get("content", {}).get("application/json", {}))


class TestHeaders:
    @each_operation
    def test_are_told_with_the_answers_that_have_them(self, name: str) -> None:
        for status, response in BY_NAME[name]["responses"].items():
            told = set((named(response, "responses") if "$ref" in response else response)["headers"])
            expected = {"X-Request-ID"}
            expected |= {"WWW-Authenticate"} if status == "401" else set()
            told_later = "idempotency_in_progress" in content_of(response).get("examples", {})
            expected |= {"Retry-After"} if status in ("429", "503") or told_later else set()
            expected |= {"X-Total-Count", "Link"} if name in PAGED and status == "200" else set()
            expected |= {"ETag"} if name in NAMED and status in ("200", "304") else set()
            expected |= {"Idempotent-Replayed"} if name in KEYED and status in ("200", "201", "204") else set()
            assert told == expected

    @pytest.mark.parametrize("name", OPERATIONS)
    def test_of_a_key_are_told_where_it_is_taken(self, name: str) -> None:
        taken = {parameter["name"] for parameter in BY_NAME[name].get("parameters", ()) if parameter["in"] == "header"}
        assert ("Idempotency-Key" in taken) is (name in KEYED)

    def test_are_all_explained(self) -> None:
        assert set(COMPONENTS["headers"]) == {
            "X-Request-ID", "X-Total-Count", "Link", "WWW-Authenticate", "Retry-After", "ETag", "Idempotent-Replayed",
        }  # fmt: skip
        assert all(header["description"] for header in COMPONENTS["headers"].values())


class TestShapes:
    def test_of_ids_are_those_that_an_address_takes(self) -> None:
        ids = [
            parameter["schema"]
            for operation in BY_NAME.values()
            for parameter in operation.get("parameters", ())
            if parameter["in"] == "path"
        ]
        assert len(ids) == 25
        for schema in ids:
            assert (schema["type"], schema["minimum"]) == ("integer", 0)
            assert re.fullmatch(Id.regex, str(schema["maximum"]))
            assert not re.fullmatch(Id.regex, str(schema["maximum"] + 1))

    def test_of_what_is_sent_have_names_of_their_own(self) -> None:
        assert not [name for name in COMPONENTS["schemas"] if name.startswith("Patched")]
        assert {"MovieRequest", "MovieChanges", "ShowRequest", "ShowChanges"} <= set(COMPONENTS["schemas"])

    def test_of_a_new_password_are_the_domains(self) -> None:
        (rule,) = [rule for rule in get_default_password_validators() if isinstance(rule, MinimumLengthValidator)]
        assert COMPONENTS["schemas"]["SignupRequest"]["properties"]["password"]["minLength"] == rule.min_length

    @pytest.mark.parametrize("username", ["alice", "a.l+i-c_e@9", "al ice", "zoë", "ａｌｉｃｅ", "al\0ice", ""])
    def test_of_a_username_are_the_domains(self, username: str) -> None:
        pattern = COMPONENTS["schemas"]["SignupRequest"]["properties"]["username"]["pattern"]
        try:
            User.username_validator(username)
        except ValidationError:
            assert not re.search(pattern, username)
        else:
            assert re.search(pattern, username)

    def test_of_integers_have_their_ranges(self) -> None:
        open_ended = {
            f"{name}.{field}"
            for name, schema in COMPONENTS["schemas"].items()
            if name.endswith(("Request", "Changes"))
            for field, kind in schema["properties"].items()
            if kind.get("type") == "integer" and not {"minimum", "maximum"} <= set(kind)
        }
        assert not open_ended


class TestExamples:
    @staticmethod
    def contents(name: str) -> Iterator[dict[str, Any]]:
        operation = BY_NAME[name]
        for holder in (operation.get("requestBody", {}), *operation["responses"].values()):
            holder = named(holder, "responses") if "$ref" in holder else holder
            if content := holder.get("content", {}).get("application/json"):
                yield content

    @each_operation
    def test_are_what_the_schemas_say(self, name: str) -> None:
        for content in self.contents(name):
            schema = with_null({**content["schema"], "components": COMPONENTS})
            for example in content.get("examples", {}).values():
                Draft202012Validator(schema).validate(example["value"])

    @pytest.mark.parametrize("name", [name for name in OPERATIONS if name != "GET /schema/"])
    def test_are_given_wherever_json_is(self, name: str) -> None:
        assert all(content["examples"] for content in self.contents(name))


def with_null(schema: Any) -> Any:
    """Say in JSON Schema's words what OpenAPI 3.0 calls nullable."""
    if isinstance(schema, list):
        return [with_null(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    told = {key: with_null(value) for key, value in schema.items()}
    return {**told, "type": [told["type"], "null"]} if told.pop("nullable", False) else told


class TestServed:
    def test_as_yaml_and_as_json(self, client: Client, db: None) -> None:
        as_yaml = client.get("/schema/")
        as_json = client.get("/schema/", headers={"Accept": "application/json"})
        assert yaml.safe_load(as_yaml.content) == json.loads(as_json.content) == json.loads(json.dumps(DOCUMENT))
