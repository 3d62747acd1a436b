"""JSON log lines, one an event, with the id of the request they belong to."""

import logging
from contextvars import ContextVar
from datetime import UTC, datetime

import orjson

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


def has_traceback(record: logging.LogRecord) -> bool:
    """Pass an error, but not Django's line that repeats what the request log says."""
    return bool(record.exc_info)


class JSONFormatter(logging.Formatter):
    """Formats an event as one JSON object; a traceback is a string inside it."""

    def format(self, record: logging.LogRecord) -> str:
        event: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request_id.get():
            event["request_id"] = request_id.get()
        event |= getattr(record, "facts", {})
        if record.exc_info:
            event["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(event, default=str).decode()
