"""Accounts, beyond what the stories through both doors tell."""

import json
import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import close_old_connections, connection
from rest_framework_simplejwt.tokens import AccessToken

from core.models import User
from tests.conftest import PASSWORD
from tests.core.test_settings import ROOT, run
from tests.interleaving import Racer


@pytest.mark.real_accounts
def test_a_password_is_hashed_with_argon2_within_20_mebibytes() -> None:
    assert make_password(PASSWORD).startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.real_accounts
def test_an_account_is_opened_and_used_with_the_real_hasher_and_budgets(door: Any, db: None) -> None:
    assert door.signup(username="carol", password=PASSWORD).ok
    for _ in range(10):
        assert door.login(username="carol", password=PASSWORD).ok
    assert door.login(username="carol", password=PASSWORD).code == "throttled"


def test_access_tokens_live_for_minutes() -> None:
    assert 60 <= AccessToken.lifetime.total_seconds() <= 3600


def test_tokens_are_not_signed_with_the_key_of_sessions(alice: User) -> None:
    from django.core.signing import b64_decode
    from rest_framework_simplejwt.state import token_backend

    assert token_backend.signing_key == settings.JWT_SIGNING_KEY != settings.SECRET_KEY
    header, payload, _ = str(AccessToken.for_user(alice)).encode().split(b".")
    assert json.loads(b64_decode(header))["alg"] == "HS256"
    assert alice.password not in b64_decode(payload).decode()


@pytest.mark.parametrize("name", ["alice", "ALICE"])
def test_a_superuser_can_not_take_a_name_that_is_there(alice: User, name: str) -> None:
    from django.core.management import CommandError, call_command

    with pytest.raises(CommandError, match="already taken"):
        call_command("createsuperuser", "--no-input", username=name, email="")


class TestConnections:
    def test_to_postgresql_give_up_in_seconds(self) -> None:
        script = "import json; from core.settings import DATABASES; print(json.dumps(DATABASES['default']))"
        printed = run("-c", script, DEBUG="1", DATABASE_URL="postgres://user:secret@db.example:5433/tickets").stdout
        database = json.loads(printed)
        assert (database["HOST"], database["PORT"], database["NAME"]) == ("db.example", 5433, "tickets")
        assert database["CONN_MAX_AGE"] == 300
        assert database["CONN_HEALTH_CHECKS"] is True
        options = database["OPTIONS"]
        assert options["connect_timeout"] <= 2
        assert options["tcp_user_timeout"] <= 3000
        assert options["keepalives_idle"] + options["keepalives_interval"] * options["keepalives_count"] <= 10

    @pytest.mark.only("postgresql")
    @pytest.mark.django_db(transaction=True)
    def test_that_broke_while_they_were_idle_are_opened_anew(self) -> None:
        def lose_it_and_ask_again() -> int:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                pid = cursor.fetchone()[0]
            subprocess.run([sys.executable, "-c", _TERMINATE, json.dumps(_where()), str(pid)], check=True, cwd=ROOT)
            close_old_connections()  # as at the beginning of each request
            return User.objects.count()

        assert Racer(lose_it_and_ask_again).finish() == 0


_TERMINATE = """
import json, sys, psycopg
with psycopg.connect(**json.loads(sys.argv[1])) as admin:
    admin.execute("SELECT pg_terminate_backend(%s, 2000)", [int(sys.argv[2])])
"""


def _where() -> dict[str, Any]:
    database = connection.settings_dict
    return {
        "host": database["HOST"],
        "port": database["PORT"],
        "dbname": database["NAME"],
        "user": database["USER"],
        "password": database["PASSWORD"],
    }
