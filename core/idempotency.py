"""Retry without fear: what is done under a key of the client's is done once, and told again to whoever asks again.

The key is a row of the same transaction as its effect, so that a crash leaves both or neither. Of two requests with one
key, the second waits at the row's unique index until the first has committed, and then finds its answer.
"""

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypeVar

from django.db import IntegrityError, OperationalError, connection
from django.utils import timezone

from core.accounts import user_of
from core.database import durable_transaction, sqlstate
from core.errors import (
    AccountInactive,
    Busy,
    DatabaseUnavailable,
    DomainError,
    IdempotencyInProgress,
    IdempotencyKeyInvalid,
    IdempotencyKeyReused,
    OutcomeUnknown,
)
from core.models import Account, IdempotencyKey

R = TypeVar("R")

KEPT_FOR = timedelta(hours=24)


@dataclass(frozen=True)
class Operation(Generic[R]):
    """What can be done under a key, and how its outcome is kept: as JSON, or as the code and facts of a refusal."""

    name: str
    dump: Callable[[R], Any]
    load: Callable[[Any], R]
    refusals: Iterable[type[DomainError]]


@dataclass(frozen=True)
class _Outcome(Generic[R]):
    result: R | None = None
    refusal: DomainError | None = None
    is_replayed: bool = False


def once(operation: Operation[R], deed: Callable[[], R], *, user: Account, key: str, given: tuple[Any, ...]) -> R:
    """Do the deed, unless it was done under this key; then give its outcome again, marked as ``replayed``.

    :raises IdempotencyKeyInvalid: the key is no key.
    :raises IdempotencyKeyReused: it was used for another operation, or with other input.
    :raises IdempotencyInProgress: the first request with it is still being answered.
    :raises AccountInactive: the account was deleted, deactivated or given a new password.
    """
    if not re.fullmatch("[!-~]{1,255}", key):
        raise IdempotencyKeyInvalid
    fingerprint = hashlib.sha256(repr((operation.name, *given)).encode()).hexdigest()
    try:
        outcome = _once(operation, deed, user, key, fingerprint)
    except OutcomeUnknown as lost:
        # The row tells what became of it; and if it is still on its way, the second waits for it.
        try:
            outcome = _once(operation, deed, user, key, fingerprint)
        except (Busy, DatabaseUnavailable, AccountInactive, IdempotencyInProgress, IntegrityError):
            raise lost from None  # the first may have been done, whatever the second says
    except IntegrityError as fault:  # the account was deleted at the same moment; only COMMIT notices
        raise AccountInactive from fault
    told: Any = outcome.refusal or outcome.result
    told.replayed = outcome.is_replayed
    if outcome.refusal:
        raise outcome.refusal
    return told  # type: ignore[no-any-return]


@durable_transaction
def _once(operation: Operation[R], deed: Callable[[], R], user: Account, key: str, fingerprint: str) -> _Outcome[R]:
    user_of(user)  # which refuses an account that is gone
    if not _claim(user, key, fingerprint):
        return _kept(operation, user, key, fingerprint)
    outcome: _Outcome[R]
    try:
        outcome = _Outcome(result=deed())
        kept = {"result": operation.dump(outcome.result)}  # type: ignore[arg-type]
    except tuple(operation.refusals) as refusal:
        outcome = _Outcome(refusal=refusal)
        kept = {"refusal": refusal.code, "facts": refusal.facts}
    IdempotencyKey.objects.filter(user=user.pk, key=key).update(outcome=kept)
    return outcome


def _claim(user: Account, key: str, fingerprint: str) -> bool:
    """Take the key for this transaction; False if it was used before."""
    now = timezone.now()
    parameters = [user.pk, key, fingerprint, *map(_as_parameter, (now, now - KEPT_FOR))]
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO core_idempotencykey (user_id, key, fingerprint, outcome, created_at)
                VALUES (%s, %s, %s, '{}', %s)
                ON CONFLICT (user_id, key) DO UPDATE
                SET fingerprint = excluded.fingerprint, outcome = excluded.outcome, created_at = excluded.created_at
                WHERE core_idempotencykey.created_at <= %s
                RETURNING 1
                """,
                parameters,
            )
            return cursor.fetchone() is not None
    except OperationalError as fault:
        if sqlstate(fault) == "55P03":
            raise IdempotencyInProgress from fault
        raise


def _as_parameter(instant: Any) -> Any:
    return connection.ops.adapt_datetimefield_value(instant)


def _kept(operation: Operation[R], user: Account, key: str, fingerprint: str) -> _Outcome[R]:
    row = IdempotencyKey.objects.get(user=user.pk, key=key)
    if row.fingerprint != fingerprint:
        raise IdempotencyKeyReused
    if "refusal" not in row.outcome:
        return _Outcome(result=operation.load(row.outcome["result"]), is_replayed=True)
    (kind,) = [kind for kind in operation.refusals if kind.code == row.outcome["refusal"]]
    return _Outcome(refusal=kind(**row.outcome["facts"]), is_replayed=True)


def forget_old_keys() -> int:
    """Delete the keys that are kept no longer, and tell how many there were."""
    return IdempotencyKey.objects.filter(created_at__lte=timezone.now() - KEPT_FOR).delete()[0]
