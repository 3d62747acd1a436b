"""What the databases have in common: transactions, the faults they raise, the constraints they name."""

import functools
import random
import sqlite3
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError, connection, transaction

from core.errors import Busy, DatabaseUnavailable, DomainError, LockNotAvailable, OutcomeUnknown

P = ParamSpec("P")
R = TypeVar("R")

_RETRIES = 3
_WORTH_RETRYING = {"40001", "40P01"}  # serialization_failure, deadlock_detected
_BUSY = {"55P03", "57014", *_WORTH_RETRYING}  # lock_not_available, query_canceled (statement_timeout)
_UNAVAILABLE_CLASSES = {"08", "53", "57", "58"}  # connection, resources, operator intervention, system
_SQLITE_UNAVAILABLE = (
    "readonly database",
    "unable to open",
    "disk I/O error",
    "is full",
    "malformed",
    "not a database",
)
_UNAVAILABLE = {"25006", "25P03"}  # read_only_sql_transaction, idle_in_transaction_session_timeout


def durable_transaction(verb: Callable[P, R]) -> Callable[P, R]:
    """Make the verb one durable transaction, and its database faults refusals.

    It runs again, at most three times, when the database ended it to resolve a deadlock or a serialization
    failure: then nothing has happened. After any other fault it does not, since its outcome might be unknown.
    Faults are looked at outside the transaction, because COMMIT raises them too.
    """

    @functools.wraps(verb)
    def durable(*args: P.args, **kwargs: P.kwargs) -> R:
        return _answer_faults(functools.partial(_in_transaction, verb, *args, **kwargs))

    return durable


def one_statement(verb: Callable[P, R]) -> Callable[P, R]:
    """The same for a verb that PostgreSQL does in one statement, which needs no BEGIN and no COMMIT to be durable.

    On SQLite, where it takes two, they are one transaction.
    """

    @functools.wraps(verb)
    def durable(*args: P.args, **kwargs: P.kwargs) -> R:
        if connection.vendor == "sqlite":
            return _answer_faults(functools.partial(_in_transaction, verb, *args, **kwargs))
        return _answer_faults(functools.partial(_by_itself, verb, *args, **kwargs))

    return durable


def advisory_lock(first: int, second: int) -> None:
    """Wait for whoever else has the advisory lock of these two numbers, and have it until the transaction ends. On
    SQLite, where one transaction writes at a time, there is nothing to wait for."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashint8(%s::bigint), hashint8(%s::bigint))", [first, second])


def _answer_faults(attempt: Callable[[], R]) -> R:
    for retries_left in range(_RETRIES, -1, -1):
        try:
            return attempt()
        except (DatabaseError, InterfaceError) as fault:
            if sqlstate(fault) in _WORTH_RETRYING and retries_left:
                time.sleep(random.uniform(0.005, 0.05))  # jitter, so that rivals do not meet again
                continue
            if refusal := refusal_of(fault):
                raise refusal from fault
            raise
    raise AssertionError("unreachable: the last round returns or raises")


def _in_transaction(verb: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    done = False
    try:
        with transaction.atomic(durable=True):
            result = verb(*args, **kwargs)
            done = True
        return result
    except OperationalError as fault:
        if done and _is_lost(fault):  # while committing
            raise OutcomeUnknown from fault
        raise


def _by_itself(verb: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    connection.close_if_health_check_failed()
    connection.ensure_connection()  # what fails here has not been sent
    try:
        return verb(*args, **kwargs)
    except OperationalError as fault:
        if _is_lost(fault):
            connection.close()  # the next statement opens another
            raise OutcomeUnknown from fault
        raise


def _is_lost(fault: Exception) -> bool:
    """Tell whether the connection ended before the server had answered."""
    state = sqlstate(fault)
    if isinstance(fault.__cause__, sqlite3.Error):
        return False
    return state is None or state[:2] == "08" or state in ("57P01", "57P02")


def refusal_of(fault: Exception) -> DomainError | None:
    """Tell which refusal a database's fault means to a client; None if it is a mistake of ours."""
    state = sqlstate(fault)
    if state is None:
        return _refusal_without_a_state(fault)
    if state == "55P03":
        return LockNotAvailable()
    if state in _BUSY:
        return Busy()
    if state in _UNAVAILABLE or state[:2] in _UNAVAILABLE_CLASSES:
        return DatabaseUnavailable()
    return None


def _refusal_without_a_state(fault: Exception) -> DomainError | None:
    """SQLite has words only; psycopg has no SQLSTATE where no server answered."""
    words = str(fault)
    if "database is locked" in words or "database table is locked" in words:
        return Busy()
    if isinstance(fault.__cause__, sqlite3.Error):
        return DatabaseUnavailable() if any(sign in words for sign in _SQLITE_UNAVAILABLE) else None
    return DatabaseUnavailable() if isinstance(fault, OperationalError | InterfaceError) else None


def sqlstate(fault: Exception) -> str | None:
    """Give PostgreSQL's five-character error code, if there is one."""
    return getattr(fault.__cause__, "sqlstate", None)


def violates(fault: IntegrityError, constraint: str) -> bool:
    """Tell whether it was this constraint that refused the row; both databases name it."""
    diagnosis = getattr(fault.__cause__, "diag", None)
    return constraint == diagnosis.constraint_name if diagnosis else constraint in str(fault)
