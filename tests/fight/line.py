"""How a client reaches the service: one connection, kept from request to request, and opened anew when it is lost."""

import http.client
import json
import time
from dataclasses import dataclass
from typing import Any

from tests.fight.doors import Answer, Door, Request

PASSWORD = "correct horse battery staple"
PATIENCE = 15  # seconds for an answer


class NotSent(Exception):
    """Nobody listens: the server has not heard of the request."""


class Unanswered(Exception):
    """The connection was lost, or cut, after the request was sent."""


@dataclass
class Line:
    """A connection, and whose it is."""

    port: int
    token: str = ""
    connection: http.client.HTTPConnection | None = None

    def ask(self, door: Door, request: Request, *, cut_after: float | None = None) -> Answer:
        """Send a request; with ``cut_after`` close the connection so many seconds later, without reading.

        :raises NotSent: nothing has happened.
        :raises Unanswered: anything may have happened.
        """
        connection = self.connected()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        if request.key:
            headers["Idempotency-Key"] = request.key
        try:
            body = None if request.body is None else json.dumps(request.body)
            connection.request(request.method, request.path, body, headers)
            if cut_after is not None:
                time.sleep(cut_after)
                raise ConnectionAbortedError
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as fault:
            self.close()
            raise Unanswered from fault
        try:
            return door.answer(response.status, response.headers, content)
        except (ValueError, KeyError, TypeError, AttributeError) as fault:
            raise ValueError(f"{response.status} {content[:500]!r} in answer to {request}") from fault

    def connected(self) -> http.client.HTTPConnection:
        """Give the connection.

        :raises NotSent: nobody listens.
        """
        if self.connection is None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
            try:
                connection.connect()
            except OSError as fault:
                raise NotSent from fault
            self.connection = connection
        return self.connection

    def close(self) -> None:
        if self.connection:
            self.connection.close()
        self.connection = None


def ask_json(port: int, method: str, path: str, body: Any, token: str = "") -> Any:
    """Ask for something that must be had, while nothing fights yet; again, while the machine has too much to do."""
    deadline = time.monotonic() + PATIENCE
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        connection.request(method, path, json.dumps(body), headers)
        response = connection.getresponse()
        told = json.loads(response.read())
        connection.close()
        if response.status != 503 or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    assert response.status < 300, f"{method} {path}: {response.status} {told}"
    return told
