"""HTTP connections: uvicorn's protocol, with deadlines and limits."""

import asyncio
import socket
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_CONNECTIONS = 10_000  # a worker
MAX_BYTES_BESIDE_BODY = 64 * 1024  # of a request: its first line, headers and what frames the body
SECONDS_FOR_HEADERS = 5  # from the connection's first moment, or from a further request's first byte
SECONDS_UNREAD = 20  # in which a client's machine must acknowledge what was sent
SECONDS_TO_LEAVE = 1  # in which an idle connection may still send a request before the worker stops


class Connection(HttpToolsProtocol):
    """One client's connection; uvicorn makes it and calls the methods."""

    deadline: asyncio.TimerHandle | None = None
    is_leaving = False
    bytes_beside_body = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            connection = transport.get_extra_info("socket")
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1000 * SECONDS_UNREAD)
        self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_deadline()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self.deadline is None:
            self._set_deadline()

    def data_received(self, data: bytes) -> None:
        """Parse what arrived, and refuse a request that has too much beside its body.

        The parser collects a header of any length before it calls anything, so what arrives is counted here.
        """
        self.bytes_beside_body += len(data)
        super().data_received(data)
        if self.bytes_beside_body > MAX_BYTES_BESIDE_BODY and not self.transport.is_closing():
            self.send_400_response("The request line and headers are longer than 64 kB. Nothing was changed.")

    def on_body(self, body: bytes) -> None:
        self.bytes_beside_body -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self.bytes_beside_body = 0
        super().on_message_complete()

    def on_headers_complete(self) -> None:
        self._cancel_deadline()
        super().on_headers_complete()
        if self.is_leaving:
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        """Close after the current request, or a moment later if there is none."""
        cast(Any, self.app).streams.end()
        self.is_leaving = True
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(SECONDS_TO_LEAVE, super().shutdown)
        else:
            super().shutdown()

    def _set_deadline(self) -> None:
        self.deadline = self.loop.call_later(SECONDS_FOR_HEADERS, self.transport.close)

    def _cancel_deadline(self) -> None:
        if self.deadline:
            self.deadline.cancel()
            self.deadline = None
