"""JSON log lines, one for each event, with the request's id."""

import itertools
import logging
import uuid
from contextvars import ContextVar
from datetime import UTC, datetime

import orjson

# Collected for each record, and written in none of the lines.
logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

_process, _numbers = uuid.uuid4().hex[:20], itertools.count()


def new_request_id() -> str:
    """Make an id of 32 hexadecimal digits, without a system call."""
    return f"{_process}{next(_numbers):012x}"


class TracebackFilter(logging.Filter):
    """Passes errors with a traceback; Django's other lines repeat the request log."""

    def filter(self, record: logging.LogRecord) -> bool:
        return bool(record.exc_info)


class JSONFormatter(logging.Formatter):
    """Formats an event as one JSON object, with its traceback."""

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
