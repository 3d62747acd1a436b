"""What all of this left in the logs and told its clients. The name of this file brings it after the others."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.cinema import PASSWORD, Cinema
from tests.faults.load import HEARD

pytestmark = pytest.mark.only("postgresql")

A_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]{8,}")
A_TRACEBACK = re.compile(r'Traceback \(most recent|File \\?".*?\\?", line \d+')


def test_no_log_holds_a_token_a_password_or_a_traceback(cinema: Cinema, logs: Path) -> None:
    lines = [line for log in sorted(logs.glob("*.log")) for line in log.read_text().splitlines()]
    assert len(lines) > 10
    assert list(_told_too_much(cinema, lines)) == []


def test_no_error_answer_holds_a_token_a_password_or_a_traceback(cinema: Cinema) -> None:
    assert list(_told_too_much(cinema, [answer.decode() for answer in HEARD])) == []


@pytest.mark.parametrize(
    "text",
    [
        f'{{"message": "no account for {PASSWORD}"}}',
        '{"path": "/me/?token=eyJhbGciOiJIUzI1NiIs"}',
        '{"traceback": "Traceback (most recent call last):\\n  File \\"core/api/views.py\\", line 3"}',
    ],
    ids=["password", "token", "traceback"],
)
def test_the_search_finds_what_it_looks_for(text: str, cinema: Cinema) -> None:
    assert list(_told_too_much(cinema, [text, "{}"])) == [text]


def test_no_answer_was_a_fault_of_ours() -> None:
    assert [answer for answer in HEARD if answer.startswith(b"HTTP/1.1 500")] == []


def test_every_error_answer_is_json_with_a_code() -> None:
    for answer in HEARD:
        told = json.loads(answer.partition(b"\r\n\r\n")[2])
        assert "code" in told or "data" in told or told["errors"][0]["extensions"]["code"], told


def _told_too_much(cinema: Cinema, texts: list[str]) -> Iterator[str]:
    secrets = [PASSWORD, *cinema.tokens, *cinema.refreshes]
    for text in texts:
        if any(secret in text for secret in secrets) or A_TOKEN.search(text) or A_TRACEBACK.search(text):
            yield text[:2000]
