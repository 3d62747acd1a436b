"""One line a log event, as JSON, with the id of the request it belongs to."""

import logging
from contextvars import ContextVar
from datetime import UTC, datetime

import orjson

# Of these nothing is written, and looking for them takes as long as writing a line.
logging._srcfile = None  # type: ignore[attr-defined]
logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


def has_traceback(record: logging.LogRecord) -> bool:
    """Let a fault through, but not the line of Django's that repeats what RequestLog tells of every answer."""
    return bool(record.exc_info)


class OneLine(logging.Formatter):
    """Format an event as one JSON object; a traceback is a string inside it."""

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
