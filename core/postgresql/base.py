"""Django's PostgreSQL with two habits of its own: it notices a lost connection without a round trip, and it does not
wait for ever for a server that has fallen silent. (``ENGINE`` names the folder; Django asks for this module in it.)"""

import select
from datetime import UTC
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from django.db.backends.postgresql.psycopg_any import IsolationLevel
from psycopg.types.datetime import TimestamptzLoader


class Connection(psycopg.Connection[Any]):
    """A connection whose server must answer within ``answer_within`` seconds; without it, takes any time.

    ``statement_timeout`` is the server's word; this is for a server that is frozen, or whose packets are lost on a
    way that acknowledges them all the same, so that ``tcp_user_timeout`` sees nothing wrong.
    """

    answer_within: float | None = None

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        try:
            return super().wait(gen, interval, timeout if timeout is not None else self.answer_within)
        except psycopg.errors._WaitTimeout as silence:
            self.close()
            raise psycopg.OperationalError("the server did not answer in time") from silence


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
        """Let times in UTC be read by Psycopg, in C: Django's own reader takes most of the time of a long list."""
        if name or self.timezone is not UTC:
            return super().create_cursor(name)
        cursor = self.connection.cursor()
        cursor.adapters.register_loader("timestamptz", TimestamptzLoader)
        return cursor

    def is_usable(self) -> bool:
        """Tell whether the connection is still there.

        Nothing is to be read from a connection on which nothing was asked, unless it is the server's farewell. So a
        look at the socket does for the query that Django sends otherwise, once a request.
        """
        connection = self.connection
        if connection is None or connection.closed:
            return False
        socket = select.poll()
        socket.register(connection.fileno(), select.POLLIN)
        return not socket.poll(0)
