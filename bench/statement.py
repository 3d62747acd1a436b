"""``python -m bench.statement USER SHOW SEAT`` books a seat in the application's own process.

It reads the user's token from its input, and prints, as JSON, the statement that booked the seat and its parameters;
settings and database are the environment's.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

import django

Statement = tuple[str, Any]


def main() -> None:
    token = sys.stdin.read().strip()
    user, show, seat = map(int, sys.argv[1:])
    django.setup()
    text, parameters = booking_statement(token, show, seat)
    print(json.dumps({"text": named(text, parameters), "values": values(parameters, user, show, seat)}))  # noqa: T201


def booking_statement(token: str, show: int, seat: int) -> Statement:
    from django.db import connection
    from django.test import Client

    seen: list[Statement] = []

    def watch(execute: Callable[..., Any], text: str, parameters: Any, many: bool, context: Any) -> Any:
        if "INSERT" in text and "reservations_booking" in text:
            seen.append((text, parameters))
        return execute(text, parameters, many, context)

    with connection.execute_wrapper(watch):
        answer = Client(headers={"authorization": f"Bearer {token}"}).post(
            f"/shows/{show}/book/",
            {"seat_number": seat},
            content_type="application/json",
            headers={"host": "127.0.0.1", "x-forwarded-proto": "https"},
            secure=True,
        )
    if answer.status_code != 201 or not seen:
        raise SystemExit(f"No statement was seen that books: {answer.status_code} {answer.content!r}")
    return seen[0]


def named(text: str, parameters: Any) -> str:
    """Give the statement with a name for each parameter, also if the application numbers them."""
    if not isinstance(parameters, dict):
        for number in range(len(parameters)):
            text = text.replace("%s", f"%(value{number})s", 1)
    return text


def values(parameters: Any, user: int, show: int, seat: int) -> dict[str, Any]:
    """Tell of each parameter what it stands for: a number that varies, a list of such, or a constant."""
    if not isinstance(parameters, dict):
        parameters = {f"value{number}": value for number, value in enumerate(parameters)}
    varies = {user: ":user", show: ":show", seat: ":seat"}

    def meaning(value: Any) -> dict[str, Any]:
        if isinstance(value, list):
            return {"list": [meaning(each) for each in value]}
        return {"varies": varies[value]} if type(value) is int and value in varies else {"constant": value}

    return {name: meaning(value) for name, value in parameters.items()}


if __name__ == "__main__":
    main()
