"""Durable transactions, retries, and what the databases' errors mean to a client."""

import functools
import logging
import random
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from django.db import DatabaseError, Error, IntegrityError, InterfaceError, OperationalError, connection, transaction
from django.db.models import QuerySet

from core.errors import Busy, DatabaseUnavailable, DomainError, LockNotAvailable, OutcomeUnknown

P = ParamSpec("P")
R = TypeVar("R")

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 4
_BATCH = 5000  # rows

_ROLLED_BACK = {"40001", "40P01"}  # serialization_failure, deadlock_detected
_REFUSALS: dict[str, type[DomainError]] = {  # by SQLSTATE, or by its class
    "55P03": LockNotAvailable,
    **dict.fromkeys(["57014", *_ROLLED_BACK], Busy),  # query_canceled (statement_timeout)
    # The classes connection, resources, operator intervention, system; read_only_sql_transaction and
    # idle_in_transaction_session_timeout.
    **dict.fromkeys(["08", "53", "57", "58", "25006", "25P03"], DatabaseUnavailable),
}
_SQLITE_UNAVAILABLE = re.compile("readonly database|unable to open|disk I/O error|is full|malformed|not a database")


class RaceLost(Exception):
    """A rival wrote first: the verb is rolled back and runs again."""


def durable_transaction(verb: Callable[P, R]) -> Callable[P, R]:
    """Run a verb as one durable transaction; retry, and translate database errors.

    It runs again where nothing can have happened: the verb raised ``RaceLost``, or the database rolled it back to
    resolve a deadlock or a serialization failure. After any other error it does not.

    :raises Busy: all attempts failed, or a lock or the statement took too long.
    :raises DatabaseUnavailable: the database can't be reached, or takes no writes.
    :raises OutcomeUnknown: the connection was lost while committing.
    """
    return _with_retries(functools.partial(_in_transaction, verb))


def autocommit(verb: Callable[P, R]) -> Callable[P, R]:
    """Run a verb whose only write is one statement, without a transaction.

    Retries and errors are those of ``durable_transaction``.
    """
    return _with_retries(functools.partial(_on_a_live_connection, verb))


def _with_retries(attempt: Callable[P, R]) -> Callable[P, R]:
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        for attempts_left in reversed(range(MAX_ATTEMPTS)):
            try:
                # Errors are caught outside the transaction, because COMMIT raises them too.
                return attempt(*args, **kwargs)
            except RaceLost:
                continue
            except (DatabaseError, InterfaceError) as error:
                if sqlstate(error) in _ROLLED_BACK and attempts_left:
                    log.info("transaction retried, SQLSTATE %s", sqlstate(error))
                    time.sleep(random.uniform(0.005, 0.05))  # jitter, so that rivals do not meet again
                    continue
                if refusal := refusal_of(error):
                    raise refusal from error
                raise
        raise Busy

    return run


def _in_transaction(verb: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    done = False
    try:
        with transaction.atomic(durable=True):
            try:
                result = verb(*args, **kwargs)
            except OperationalError as error:
                if _connection_is_lost(error):
                    connection.close()  # or else Django would connect again, to roll back what is rolled back already
                raise
            done = True
        return result
    except OperationalError as error:
        if done and _connection_is_lost(error):  # while committing
            raise OutcomeUnknown from error
        raise


def _on_a_live_connection(verb: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    return verb(*args, **kwargs)


@contextmanager
def outcome_unknown_if_lost() -> Iterator[None]:
    """Raise ``OutcomeUnknown`` if a write without a transaction loses its connection."""
    try:
        yield
    except OperationalError as error:
        if _connection_is_lost(error) and not connection.in_atomic_block:
            connection.close()  # the next statement opens another
            raise OutcomeUnknown from error
        raise


def _connection_is_lost(error: Exception) -> bool:
    """Tell whether the connection ended before the server answered."""
    state = sqlstate(error)
    if isinstance(error.__cause__, sqlite3.Error):
        return False
    return state is None or state[:2] == "08" or state in ("57P01", "57P02")


def advisory_lock(first: int, second: int) -> None:
    """Take the exclusive advisory lock of two numbers until the transaction ends.

    SQLite has one writer anyway.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashint8(%s::bigint), hashint8(%s::bigint))", [first, second])


def delete_in_batches(rows: QuerySet[Any]) -> int:
    """Delete rows, some thousand a transaction; return how many.

    A statement has at most 65,535 parameters.
    """
    deleted = 0
    while ids := list(rows.order_by().values_list("pk", flat=True)[:_BATCH]):
        durable_transaction(rows.model._default_manager.filter(pk__in=ids).delete)()
        deleted += len(ids)
    return deleted


def refusal_of(error: BaseException | None) -> DomainError | None:
    """Translate an exception into a refusal; None if it means none."""
    if isinstance(error, DomainError):
        return error
    if not isinstance(error, Error):
        return None
    state = sqlstate(error)
    if state is None:
        return _refusal_without_sqlstate(error)
    refusal = _REFUSALS.get(state) or _REFUSALS.get(state[:2])
    return refusal() if refusal else None


def _refusal_without_sqlstate(error: Exception) -> DomainError | None:
    """SQLite has messages only; psycopg has no SQLSTATE where no server answered."""
    message = str(error)
    if "database is locked" in message or "database table is locked" in message:
        return Busy()
    if isinstance(error.__cause__, sqlite3.Error):
        return DatabaseUnavailable() if _SQLITE_UNAVAILABLE.search(message) else None
    return DatabaseUnavailable() if isinstance(error, OperationalError | InterfaceError) else None


def sqlstate(error: Exception) -> str | None:
    """Give PostgreSQL's five-character error code, if there is one."""
    return getattr(error.__cause__, "sqlstate", None)


def violates(error: IntegrityError, constraint: str) -> bool:
    """Tell whether this constraint refused the row; both databases name it."""
    diagnosis = getattr(error.__cause__, "diag", None)
    return constraint == diagnosis.constraint_name if diagnosis else constraint in str(error)
