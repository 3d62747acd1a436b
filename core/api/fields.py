"""Strict serializer fields: one spelling of a value, and no conversion."""

import re
from datetime import UTC, date, datetime, time
from typing import Any

from django.core.validators import ProhibitNullCharactersValidator, RegexValidator
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

_DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")


class StrictIntegerField(serializers.IntegerField):
    """A JSON integer; text, fractions, booleans and null are refused, not converted."""

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("invalid")
        return data


class TextField(serializers.CharField):
    """A JSON string, taken unchanged; a number is refused."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"trim_whitespace": False, **options})
        # As a pattern, the rule is published too. Text that is trimmed must have something left.
        pattern = r"^[^\x00]*[^\s\x00][^\x00]*\Z" if self.trim_whitespace else r"^[^\x00]+\Z"
        self.validators = [rule for rule in self.validators if not isinstance(rule, ProhibitNullCharactersValidator)]
        self.validators.append(RegexValidator(pattern, ProhibitNullCharactersValidator.message))

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class JSONBooleanField(serializers.BooleanField):
    """``true`` or ``false`` in JSON; numbers and text are refused, not converted."""

    def to_internal_value(self, data: Any) -> bool:
        if type(data) is not bool:
            self.fail("invalid", input=data)
        return data


class DigitsField(serializers.IntegerField):
    """An integer of a query string: at most nine ASCII digits."""

    def to_internal_value(self, data: Any) -> int:
        if not re.fullmatch("[0-9]{1,9}", data):
            self.fail("invalid")
        return int(data)


class TrueFalseField(serializers.BooleanField):
    """``true`` or ``false`` in a query string."""

    def to_internal_value(self, data: Any) -> bool:
        if data not in ("true", "false"):
            self.fail("invalid", input=data)
        return bool(data == "true")


class DateField(serializers.DateField):
    """A day, as 2026-12-24."""

    default_error_messages = {"invalid": "Give a date as 2026-12-24."}

    def to_internal_value(self, value: Any) -> date:
        if not _DAY.fullmatch(value):
            self.fail("invalid")
        return super().to_internal_value(value)


class InstantField(serializers.DateTimeField):
    """An ISO 8601 date and time with an offset, converted to UTC."""

    default_error_messages = {"invalid": "Give an ISO 8601 date and time with an offset, as 2026-12-24T18:30:00Z."}

    def to_internal_value(self, value: Any) -> datetime:
        try:
            instant = datetime.fromisoformat(value)
            if instant.tzinfo is None:
                self.fail("invalid")
            return instant.astimezone(UTC)
        except (TypeError, ValueError, OverflowError):
            self.fail("invalid")


@extend_schema_field({"type": "string", "anyOf": [{"format": "date-time"}, {"format": "date"}]})
class InstantOrDayField(InstantField):
    """An instant; or a date, which means ``day_means`` of it in UTC."""

    def __init__(self, *, day_means: time, **options: Any) -> None:
        self.day_means = day_means
        super().__init__(**options)

    def to_internal_value(self, value: Any) -> datetime:
        if _DAY.fullmatch(value):
            return datetime.combine(DateField().to_internal_value(value), self.day_means, UTC)
        return super().to_internal_value(value)
