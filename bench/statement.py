"""``python -m bench.statement USER SHOW SEAT`` books a seat in the application's own process.

It reads the user's token from its input, and prints, as JSON, the statements that booked the seat and their parameters;
settings and database are the environment's.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

import django

Statement = tuple[str, dict[str, Any]]

CLAIMS = "reservations_booking"


def main() -> None:
    token = sys.stdin.read().strip()
    user, show, seat = map(int, sys.argv[1:])
    django.setup()
    statements = booking_statements(token, show, seat)
    described = [{"text": text, "values": values(parameters, user, show, seat)} for text, parameters in statements]
    print(json.dumps(described))  # noqa: T201


def booking_statements(token: str, show: int, seat: int) -> list[Statement]:
    """Book the seat, and return the statements on claims that did it, in order."""
    from django.db import connection
    from django.test import Client

    seen: list[Statement] = []

    def watch(execute: Callable[..., Any], text: str, parameters: Any, many: bool, context: Any) -> Any:
        if CLAIMS in text:
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
    if answer.status_code != 201 or not any(f"INSERT INTO {CLAIMS}" in text for text, _ in seen):
        raise SystemExit(f"No statement was seen that books: {answer.status_code} {answer.content!r}")
    return seen


def values(parameters: dict[str, Any], user: int, show: int, seat: int) -> dict[str, Any]:
    """Give for each parameter the variable that it stands for, or its constant."""
    varies = {user: ":user", show: ":show", seat: ":seat"}
    return {
        name: {"varies": varies[value]} if type(value) is int and value in varies else {"constant": value}
        for name, value in parameters.items()
    }


if __name__ == "__main__":
    main()
