"""The contract, docs/api.md, is true to the code: its addresses, codes, shapes, limits, settings and the graph.

Tables and examples that are held against the code have a comment before them that names them.
"""

import ast
import itertools
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.password_validation import MinimumLengthValidator, get_default_password_validators
from django.urls import resolve
from graphql import GraphQLObjectType, GraphQLUnionType, build_ast_schema, get_named_type, parse, print_type, validate

from catalog.api.movies import MovieSerializer
from catalog.models import MAX_DURATION, MAX_SEATS, MAX_SEATS_PER_ROW, MAX_TITLE_LENGTH, Show
from core import idempotency
from core.accounts import MAX_PASSWORD_LENGTH
from core.api.accounts import UserSerializer
from core.api.pages import openapi_document
from core.api.pagination import MAX_PAGE_SIZE
from core.api.parsers import MAX_DEPTH
from core.errors import RequestTimeout
from core.models import User
from core.server import streams
from core.urls import urlpatterns
from graphql_api import limits
from graphql_api import pagination as connections
from graphql_api.schema import schema
from reservations import best_seats
from reservations.api.bookings import BookingSerializer
from reservations.api.holds import HoldSerializer
from reservations.api.seats import BlockedSeatSerializer, SeatMapSerializer
from reservations.api.shows import ShowSerializer
from reservations.models import MAX_REASON_LENGTH
from reservations.seat_map import STATES
from reservations.staff import MAX_BLOCKED_AT_ONCE
from tests.test_house import ROOT

PAGE = (ROOT / "docs" / "api.md").read_text()
DOCUMENT = openapi_document()
GRAPH: Any = schema._schema

ANYBODY, USER, STAFF = "anybody", "user", "staff"


def table(name: str) -> list[list[str]]:
    """Give the rows of a table, cell by cell, without its head."""
    lines = PAGE.split(f"<!-- table: {name} -->\n", 1)[1].splitlines()
    rows = list(itertools.takewhile(lambda line: line.startswith("|"), lines))
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def words(cell: str) -> list[str]:
    """Give what is set as code."""
    return re.findall("`([^`]+)`", cell)


def blocks(language: str, name: str = "") -> list[str]:
    """Give the code of a language; with a name, that which a comment names so."""
    before = f"<!-- {re.escape(name)} -->\n" if name else ""
    found = re.findall(rf"{before}^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert found
    return found


# --- REST -------------------------------------------------------------------------------------


def operations() -> dict[tuple[str, str], dict[str, Any]]:
    """Give all operations by method and address, in which every number is an ``{id}`` but that of a seat."""
    return {
        (method.upper(), re.sub(r"\{\w+_id\}", "{id}", path)): operation
        for path, of_path in DOCUMENT["paths"].items()
        for method, operation in of_path.items()
    }


def refusals(operation: dict[str, Any]) -> dict[str, tuple[int, dict[str, Any]]]:
    """Give what an operation can refuse: by code, the status and the facts."""
    found = {}
    for status, response in operation["responses"].items():
        if "$ref" in response:
            name = response["$ref"].rpartition("/")[2]
            content = DOCUMENT["components"]["responses"][name]["content"]["application/json"]
            for code, example in content["examples"].items():
                facts = {key: value for key, value in example["value"].items() if key not in ("code", "detail")}
                found[code] = int(status), facts
    return found


ADDRESSES = {(method, path): row for row in table("addresses") for method in words(row[0]) for path in words(row[1])}


class TestAddresses:
    def test_are_the_canonical_ones_each_once(self) -> None:
        assert sorted(ADDRESSES) == sorted(operations())
        assert len(ADDRESSES) == sum(len(words(row[0])) for row in table("addresses"))

    @pytest.mark.parametrize("operation", operations(), ids=" ".join)
    def test_are_for_those_and_answer_as_they_are_said_to(self, operation: tuple[str, str]) -> None:
        row, document = ADDRESSES[operation], operations()[operation]
        who = {"owner": USER}.get(row[2], row[2])
        open_to_all = {} in document["security"]
        assert who == (ANYBODY if open_to_all else STAFF if "permission_denied" in refusals(document) else USER)
        (done,) = [status for status in document["responses"] if status.startswith("2")]
        assert row[4].startswith(done)
        assert ("`ETag`" in row[4]) == ("304" in document["responses"])
        assert row[5] == ("yes" if "idempotency_in_progress" in refusals(document) else "")

    @pytest.mark.parametrize("operation", operations(), ids=" ".join)
    def test_take_what_they_are_said_to(self, operation: tuple[str, str]) -> None:
        sent = set(words(ADDRESSES[operation][3]))
        parameters = operations()[operation].get("parameters", ())
        asked = {f"?{each['name']}=" for each in parameters if each["in"] == "query"}
        assert {word for word in sent if word.startswith("?")} == asked - {"?limit=", "?offset="}
        if operation[0] == "POST" and "requestBody" in operations()[operation]:
            content = operations()[operation]["requestBody"]["content"]["application/json"]["schema"]
            fields = set(DOCUMENT["components"]["schemas"][content["$ref"].rpartition("/")[2]]["properties"])
            assert sent == fields - {"allow_split"}

    def test_of_the_examples_are_there(self) -> None:
        asked = [path for block in blocks("sh") for path in re.findall(r"\$API(/[^ '\"]*)", block)]
        assert len(asked) > 5
        for path in asked:
            assert resolve(path.replace("$SHOW", "1")).url_name != urlpatterns[-1].name

    def test_of_older_services_are_there(self) -> None:
        for path in ("/api/token/", "/login/refresh/", "/graphql/", "/shows/1/picker/", "/"):
            assert path.replace("1", "{id}") in PAGE
            assert resolve(path).url_name


class TestCodes:
    TOLD = {words(row[1])[0]: (int(row[0]), set(words(row[2]))) for row in table("codes")}

    def test_are_all_there_and_no_other(self) -> None:
        assert sorted(self.TOLD) == DOCUMENT["components"]["schemas"]["ErrorCode"]["enum"]
        assert len(self.TOLD) == len(table("codes"))

    def test_have_their_status_and_their_facts(self) -> None:
        documented = {"method_not_allowed": (405, set[str]())}  # of an address, and of no operation
        for operation in operations().values():
            documented |= {code: (status, set(facts)) for code, (status, facts) in refusals(operation).items()}
        assert documented == self.TOLD

    @pytest.mark.parametrize("block", blocks("json", "example: error"))
    def test_of_the_examples_have_just_these_facts(self, block: str) -> None:
        body = json.loads(block)
        assert body.keys() - {"code", "detail"} == self.TOLD[body["code"]][1]


ONE, SEVERAL, BEST = {"seat_taken", "seat_held", "seat_blocked"}, {"seats_unavailable"}, {"no_adjacent_seats"}
RANGE, FULL = {"seat_out_of_range"}, {"show_full"}
BOOK, HOLD = ("POST", "/shows/{id}/book/"), ("POST", "/shows/{id}/holds/")
VERBS: dict[str, tuple[list[tuple[str, str]], set[str]]] = {  # the operations, and what is of their other ways
    "book one seat": ([BOOK], SEVERAL | BEST),
    "book several": ([BOOK], ONE | BEST),
    "book the best": ([BOOK], ONE | SEVERAL | RANGE | FULL),
    "hold several": ([HOLD], BEST),
    "hold the best": ([HOLD], SEVERAL | RANGE | FULL),
    "confirm a hold": ([("POST", "/holds/{id}/confirm/")], set()),
    "extend, release a hold": ([("POST", "/holds/{id}/extend/"), ("DELETE", "/holds/{id}/")], set()),
    "cancel a booking": ([("POST", "/bookings/{id}/cancel/")], set()),
    "move a booking": ([("POST", "/bookings/{id}/move/")], set()),
    "find the best seats": ([("GET", "/shows/{id}/best-seats/")], set()),
    "block seats": ([("POST", "/shows/{id}/blocked-seats/")], set()),
    "change a show": ([("PUT", "/shows/{id}/"), ("PATCH", "/shows/{id}/")], set()),
    "delete a show, a movie": ([("DELETE", "/shows/{id}/"), ("DELETE", "/movies/{id}/")], set()),
}
OF_EVERY_REQUEST = {"invalid", "malformed_json"} | {code for code in TestCodes.TOLD if code.startswith("idempotency")}


class TestOrderOfRefusals:
    def test_is_told_of_every_verb(self) -> None:
        assert {row[0] for row in table("order")} == set(VERBS)

    @pytest.mark.parametrize(("verb", "cell"), table("order"))
    def test_has_what_the_verb_can_refuse(self, verb: str, cell: str) -> None:
        told, (asked, of_other_ways) = words(cell), VERBS[verb]
        for operation in asked:
            refused = refusals(operations()[operation])
            own = {code for code, (status, _) in refused.items() if status in (400, 404, 409, 410)}
            assert set(told) == own - OF_EVERY_REQUEST - of_other_ways

    def test_puts_what_is_not_there_first(self) -> None:
        assert all(words(cell)[0] == "not_found" for _, cell in table("order"))


# --- Shapes -----------------------------------------------------------------------------------

SHAPES: dict[str, Any] = {
    "user": UserSerializer,
    "movie": MovieSerializer,
    "show": ShowSerializer,
    "booking": BookingSerializer,
    "hold": HoldSerializer,
    "blocked seat": BlockedSeatSerializer,
}


def assert_has_the_shape_of(told: Any, serializer: Any) -> None:
    """Compare keys, and their order, all the way down."""
    fields = serializer.fields
    assert list(told) == list(fields)
    for name, field in fields.items():
        inner = told[name]
        if hasattr(field, "child") and hasattr(field.child, "fields"):
            assert inner
            for each in inner:
                assert_has_the_shape_of(each, field.child)
        elif hasattr(field, "fields"):
            assert_has_the_shape_of(inner, field)


class TestShapes:
    def test_are_all_there(self) -> None:
        (block,) = blocks("json", "shapes")
        assert set(json.loads(block)) == set(SHAPES)

    @pytest.mark.parametrize("name", SHAPES)
    def test_have_the_keys_that_are_answered(self, name: str) -> None:
        (block,) = blocks("json", "shapes")
        assert_has_the_shape_of(json.loads(block)[name], SHAPES[name]())

    def test_of_a_seat_map_too(self) -> None:
        (block,) = blocks("json", "example: SeatMap")
        told = json.loads(block)
        assert_has_the_shape_of(told, SeatMapSerializer())
        seats = [seat for row in told["rows"] for seat in row["seats"]]
        states = [seat["status"] for seat in seats]
        counts = {state: states.count(state) for state in STATES}
        assert told["summary"] == {"total": len(seats), **counts, "largest_block": 2}
        assert told["show"]["available_seats"] == counts["available"]
        assert [seat["label"] for seat in seats] == [f"{row}{place}" for row in "AB" for place in (1, 2, 3)]

    @pytest.mark.parametrize("block", blocks("json"))
    def test_are_json(self, block: str) -> None:
        assert json.loads(block)


# --- Limits and settings ----------------------------------------------------------------------

(SHORTEST_PASSWORD,) = [
    rule.min_length for rule in get_default_password_validators() if isinstance(rule, MinimumLengthValidator)
]


def longest(model: Any, field: str) -> int:
    return int(model._meta.get_field(field).max_length)


LIMITS: dict[str, Callable[[], list[float]]] = {
    "seats of a show": lambda: [1, MAX_SEATS],
    "seats of a row": lambda: [1, MAX_SEATS_PER_ROW, Show._meta.get_field("seats_per_row").default],
    "seats booked, held or looked for together": lambda: [1, best_seats.MAX_SEATS_AT_ONCE],
    "seats blocked together": lambda: [1, MAX_BLOCKED_AT_ONCE, 1, MAX_REASON_LENGTH],
    "alternatives to a show": lambda: [best_seats._ALTERNATIVES],
    "a hold lasts": lambda: [settings.HOLD_SECONDS, settings.HOLD_LONGEST_SECONDS],
    "seats that an account holds of a show": lambda: [settings.HOLD_SEATS],
    "a movie": lambda: [1, MAX_TITLE_LENGTH, 1, MAX_DURATION],
    "name of a screen": lambda: [1, longest(Show, "screen_name")],
    "username": lambda: [1, longest(User, "username")],
    "e-mail address": lambda: [longest(User, "email")],
    "password": lambda: [SHORTEST_PASSWORD, MAX_PASSWORD_LENGTH],
    "tokens": lambda: [
        settings.SIMPLE_JWT["ACCESS_TOKEN_LIFETIME"].total_seconds() / 60,
        settings.SIMPLE_JWT["REFRESH_TOKEN_LIFETIME"].days,
    ],
    "page": lambda: [1, MAX_PAGE_SIZE, 1, connections.MAX_PAGE_SIZE],
    "idempotency key": lambda: [1, 255, idempotency.RETENTION.total_seconds() / 3600],
    "request": lambda: [settings.DATA_UPLOAD_MAX_MEMORY_SIZE, MAX_DEPTH, RequestTimeout.seconds],
    "GraphQL query": lambda: [limits.MAX_DEPTH, limits.MAX_ALIASES, limits.MAX_TOKENS, limits.MAX_VALUES],
    "stream": lambda: [streams.HEARTBEAT, streams.SECONDS_TO_SEND, streams.MAX_STREAMS],
}


STATUSES = {200, 201, 304, 400, 401, 404, 406, 409, 422, 500, 503}


class TestLimits:
    def test_are_all_there(self) -> None:
        assert [row[0] for row in table("limits")] == list(LIMITS)

    @pytest.mark.parametrize(("what", "told"), table("limits"))
    def test_are_those_of_the_code(self, what: str, told: str) -> None:
        numbers = [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", told)]
        assert numbers == LIMITS[what]()

    def test_of_an_idempotency_key_is_the_domains(self) -> None:
        assert "1 to 255 visible ASCII" in idempotency.errors.IdempotencyKeyInvalid.message

    def test_are_not_told_again_where_nothing_holds_them(self) -> None:
        elsewhere = PAGE.split("<!-- table: limits -->")[0]
        prose = re.sub(r"^```.*?^```$|^\|.*?$|`[^`]*`", "", elsewhere, flags=re.DOTALL | re.MULTILINE)
        told = {int(number) for number in re.findall(r"(?<![\w/(#.])\d{2,6}(?![\w/])", prose)}
        assert told <= STATUSES | {8601}  # of ISO


def variables(source: str) -> Iterator[str]:
    """Find what is read from the environment: directly, or by a function of the file's own."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            reader, name = ast.unparse(node.func), str(node.args[0].value)
            if reader == "os.environ.get" or (reader.startswith("_") and re.fullmatch("[A-Z][A-Z0-9_]+", name)):
                yield name


class TestSettings:
    def test_are_those_that_are_read_and_no_other(self) -> None:
        read = set(variables((ROOT / "core" / "settings.py").read_text()))
        told = [name for row in table("settings") for name in words(row[0])]
        assert sorted(told) == sorted(read)

    def test_have_the_defaults_of_the_code(self) -> None:
        left_out = {words(row[0])[0]: row[2] for row in table("settings")}
        source = (ROOT / "core" / "settings.py").read_text()
        defaults = dict(re.findall(r'_(?:rate|whole|milliseconds)\("(\w+)", "?([^")]+)"?\)', source))
        for names in (words(row[0]) for row in table("settings")):
            for name in names:
                if name in defaults and defaults[name] != "0":
                    assert defaults[name] in left_out[names[0]], name


# --- GraphQL ----------------------------------------------------------------------------------


def root_fields() -> dict[str, Any]:
    roots = (GRAPH.query_type, GRAPH.mutation_type, GRAPH.subscription_type)
    return {name: field for root in roots for name, field in root.fields.items()}


class TestGraph:
    def test_has_these_fields_and_no_other(self) -> None:
        assert sorted(words(row[0])[0] for row in table("graph")) == sorted(root_fields())

    @pytest.mark.parametrize(("name", "takes", "gives"), table("graph"))
    def test_has_fields_that_take_and_give_what_is_told(self, name: str, takes: str, gives: str) -> None:
        field = root_fields()[words(name)[0]]
        arguments = field.args
        if set(arguments) == {"input"}:
            arguments = get_named_type(arguments["input"].type).fields
        assert set(words(takes)) == set(arguments)
        given: Any = get_named_type(field.type)
        members = [member.name for member in given.types] if isinstance(given, GraphQLUnionType) else []
        assert words(gives) == [given.name, *members]

    def test_has_these_types(self) -> None:
        (text,) = blocks("graphql", "types")
        told = [definition.name.value for definition in parse(text).definitions]  # type: ignore[attr-defined]
        assert len(set(told)) == len(told)
        objects = {name for name, kind in GRAPH.type_map.items() if isinstance(kind, GraphQLObjectType)}
        relays = {name for name in objects if name.endswith(("Connection", "Edge"))} | {"PageInfo"}
        roots = {"Query", "Mutation", "Subscription"}
        assert {name for name in objects if not name.startswith("__")} - relays - roots <= set(told)
        for name in told:
            assert simplified(told_type(text, name)) == simplified(GRAPH.type_map[name])

    @pytest.mark.parametrize("text", [text for text in blocks("graphql") if not text.startswith("type")])
    def test_takes_the_queries_of_the_page(self, text: str) -> None:
        assert validate(GRAPH, parse(text)) == []

    def test_takes_the_subscription_of_the_page(self) -> None:
        (text,) = [block for block in blocks("sh") if "subscription" in block]
        body = re.search(r"-d '(.*)'", text, re.DOTALL)
        assert body
        assert validate(GRAPH, parse(json.loads(body[1])["query"])) == []

    def test_tells_events_of_that_form(self) -> None:
        told = [line.removeprefix("data: ") for line in PAGE.splitlines() if line.startswith("data: ")]
        changed = GRAPH.type_map["ChangedSeat"].fields
        for line in told:
            change = json.loads(line.replace(", … all six …", ""))["data"]["seatMapChanged"]
            assert set(change) == set(GRAPH.type_map["SeatMapChange"].fields)
            assert all(set(seat) == set(changed) for seat in change["seats"])
        assert told


def told_type(text: str, name: str) -> Any:
    """Make the type of a text that names others without telling of them."""
    others = "scalar Date scalar DateTime type ShowConnection { nodes: [Show!]! } type Query { me: User } "
    return build_ast_schema(parse(others + text), assume_valid_sdl=True).type_map[name]


def simplified(kind: Any) -> tuple[str, ...]:
    """Write a type without descriptions, defaults and interfaces; the order of its members is free."""
    written = re.sub(r'""".*?"""', "", print_type(kind), flags=re.DOTALL)
    written = re.sub(r" implements [\w& ]+| = (null|false)", "", written)
    written = re.sub(r"\(\s+([^)]*?)\s*\)", lambda match: "(" + ", ".join(match[1].split("\n")) + ")", written)
    head, _, members = written.partition("{")
    if "=" in head:
        return tuple(re.split(r"[\s=|]+", head.strip()))
    lines = [re.sub(r"[,\s]+", " ", line).strip() for line in members.rstrip("} \n").splitlines()]
    return (head.strip(), *sorted(line for line in lines if line))


class TestLinks:
    @pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)]+)\)", PAGE))))
    def test_lead_somewhere(self, link: str) -> None:
        file, _, anchor = link.partition("#")
        if file:
            assert (ROOT / "docs" / file).resolve().exists()
        else:
            headings = re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)
            slugs = [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]
            assert anchor in slugs
