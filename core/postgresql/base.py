"""Django's PostgreSQL backend, with cheap health checks and a limit for silent servers.

``ENGINE`` names the folder; Django asks for this module in it.
"""

import select
from datetime import UTC
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from django.db.backends.postgresql.psycopg_any import IsolationLevel
from psycopg.pq import TransactionStatus
from psycopg.types.datetime import TimestamptzLoader


class Connection(psycopg.Connection[Any]):
    """A connection that is closed when its server does not answer in time.

    The server itself ends a statement after ``statement_timeout``. This is for a server that is frozen, and for packets
    that are lost behind a proxy which acknowledges them, so that ``tcp_user_timeout`` does not notice.
    """

    answer_within: float | None = None  # seconds; any time if None

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        try:
            return super().wait(gen, interval, timeout if timeout is not None else self.answer_within)
        except psycopg.OperationalError:
            if self.info.transaction_status == TransactionStatus.ACTIVE:  # the statement still runs
                self.close()
            raise


class DatabaseWrapper(base.DatabaseWrapper):
    def get_connection_params(self) -> dict[str, Any]:
        parameters = super().get_connection_params()
        self._answer_within = parameters.pop("answer_within", None)
        return dict(parameters)

    def get_new_connection(self, conn_params: dict[str, Any]) -> Connection:
        self.isolation_level = IsolationLevel.READ_COMMITTED
        connection = Connection.connect(**conn_params)
        connection.answer_within = self._answer_within
        return connection

    def create_cursor(self, name: str | None = None) -> Any:
        """Make a cursor that reads times in UTC in C; Django's loader is slow in long lists."""
        if name or self.timezone is not UTC:
            return super().create_cursor(name)
        cursor = self.connection.cursor()
        cursor.adapters.register_loader("timestamptz", TimestamptzLoader)
        return cursor

    def is_usable(self) -> bool:
        """Check that the server has not closed the connection.

        An idle connection has nothing to read, unless the server has closed it. Polling the socket replaces the query
        that Django would send at each request.
        """
        connection = self.connection
        if connection is None or connection.closed:
            return False
        socket = select.poll()
        socket.register(connection.fileno(), select.POLLIN)
        return not socket.poll(0)
