"""Idempotency keys: the first outcome is stored and replayed for 24 hours.

It is stored in the transaction of its effect. Of two requests with one key, the second waits at the unique index of
the key's row until the first has committed, and then finds its outcome. A crash leaves both the key and its effect,
or neither.
"""

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Generic, TypeVar

from django.db import IntegrityError, OperationalError, connection
from django.utils import timezone

from core import errors
from core.accounts import user_of
from core.database import durable_transaction, refusal_of
from core.errors import DomainError
from core.models import Account, IdempotencyKey

R = TypeVar("R")

RETENTION = timedelta(hours=24)


@dataclass(frozen=True)
class Operation(Generic[R]):
    """A verb that takes a key, and how its result is stored.

    A result is stored as JSON, a refusal by its code and facts.
    """

    name: str
    dump: Callable[[R], Any]
    load: Callable[[Any], R]
    refusals: Iterable[type[DomainError]]


def execute_once(
    operation: Operation[R],
    verb: Callable[..., R],
    *,
    user: Account,
    key: str | None,
    arguments: tuple[Any, ...],
    run: Callable[[Callable[[], R]], Callable[[], R]] = durable_transaction,
) -> R:
    """Run ``verb(user, *arguments)`` durably; with a key, only once.

    ``run`` is how a verb without a key runs: as a transaction, or as a statement that commits by itself.

    :raises IdempotencyKeyInvalid: the key is not 1 to 255 visible ASCII characters.
    :raises IdempotencyKeyReused: the key was used for another operation, or with other arguments.
    :raises IdempotencyInProgress: the first request with this key is still in progress.
    :raises AccountInactive: the account was deleted, deactivated or given a new password.
    :raises Busy, DatabaseUnavailable, OutcomeUnknown: see ``core.database``.
    """
    attempt = partial(verb, user, *arguments)
    try:
        if key is None:
            return run(attempt)()
        outcome = _execute_under_key(operation, attempt, user, key, arguments)
    except IntegrityError:
        user_of(user)  # raises AccountInactive: if it was deleted at the same moment, a foreign key notices at COMMIT
        raise
    if isinstance(outcome, DomainError):
        raise outcome
    return outcome


def _execute_under_key(
    operation: Operation[R], attempt: Callable[[], R], user: Account, key: str, arguments: tuple[Any, ...]
) -> R | DomainError:
    if not re.fullmatch("[!-~]{1,255}", key):
        raise errors.IdempotencyKeyInvalid
    fingerprint = hashlib.sha256(repr((operation.name, *arguments)).encode()).hexdigest()
    try:
        return _stored_or_new(operation, attempt, user, key, fingerprint)
    except errors.OutcomeUnknown as lost:
        # The key's row says whether the first attempt was committed; if it is still committing, this one waits for it.
        try:
            return _stored_or_new(operation, attempt, user, key, fingerprint)
        except (errors.Busy, errors.DatabaseUnavailable, errors.AccountInactive, IntegrityError):
            raise lost from None  # the first attempt may have been committed, whatever the second says


@durable_transaction
def _stored_or_new(
    operation: Operation[R], attempt: Callable[[], R], user: Account, key: str, fingerprint: str
) -> R | DomainError:
    user_of(user)  # raises AccountInactive
    if not _claim_key(user, key, fingerprint):
        return _stored(operation, user, key, fingerprint)
    outcome: R | DomainError
    try:
        outcome = attempt()
        stored = {"result": operation.dump(outcome)}
    except tuple(operation.refusals) as refusal:
        outcome = refusal
        stored = {"refusal": refusal.code, "facts": refusal.facts}
    IdempotencyKey.objects.filter(user=user.pk, key=key).update(outcome=stored)
    return outcome


def _claim_key(user: Account, key: str, fingerprint: str) -> bool:
    """Insert the key; False if it was used within 24 hours."""
    now = timezone.now()
    instants = [connection.ops.adapt_datetimefield_value(instant) for instant in (now, now - RETENTION)]
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
                [user.pk, key, fingerprint, *instants],
            )
            return cursor.fetchone() is not None
    except OperationalError as error:
        if isinstance(refusal_of(error), errors.LockNotAvailable):
            raise errors.IdempotencyInProgress from error
        raise


def _stored(operation: Operation[R], user: Account, key: str, fingerprint: str) -> R | DomainError:
    row = IdempotencyKey.objects.get(user=user.pk, key=key)
    if row.fingerprint != fingerprint:
        raise errors.IdempotencyKeyReused
    outcome: Any
    if "refusal" in row.outcome:
        (refusal,) = [refusal for refusal in operation.refusals if refusal.code == row.outcome["refusal"]]
        outcome = refusal(**row.outcome["facts"])
    else:
        outcome = operation.load(row.outcome["result"])
    outcome.replayed = True
    return outcome  # type: ignore[no-any-return]


def delete_old_keys() -> int:
    """Delete the keys that are older than 24 hours; return how many."""
    return IdempotencyKey.objects.filter(created_at__lte=timezone.now() - RETENTION).delete()[0]
