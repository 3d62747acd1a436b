"""What the databases have in common: transactions, the faults they raise, the constraints they name."""

import functools
import random
import sqlite3
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError, transaction

from core.errors import Busy, DatabaseUnavailable, DomainError

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


def one_transaction(verb: Callable[P, R]) -> Callable[P, R]:
    """Make the verb one durable transaction, and its database faults refusals.

    It runs again, at most three times, when the database ended it to resolve a deadlock or a serialization
    failure: then nothing has happened. After any other fault it does not, since its outcome might be unknown.
    Faults are looked at outside the transaction, because COMMIT raises them too.
    """

    @functools.wraps(verb)
    def durable(*args: P.args, **kwargs: P.kwargs) -> R:
        for retries_left in range(_RETRIES, -1, -1):
            try:
                with transaction.atomic(durable=True):
                    return verb(*args, **kwargs)
            except (DatabaseError, InterfaceError) as fault:
                if sqlstate(fault) in _WORTH_RETRYING and retries_left:
                    time.sleep(random.uniform(0.005, 0.05))  # jitter, so that rivals do not meet again
                    continue
                if refusal := refusal_of(fault):
                    raise refusal from fault
                raise
        raise AssertionError("unreachable: the last round returns or raises")

    return durable


def refusal_of(fault: Exception) -> DomainError | None:
    """Tell which refusal a database's fault means to a client; None if it is a mistake of ours."""
    state = sqlstate(fault)
    if state is None:
        return _refusal_without_a_state(fault)
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
