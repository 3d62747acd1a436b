"""What holds the house up: who may import whom, and that what is published is what the code says."""

import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command

ROOT = Path(__file__).resolve().parents[1]


def run(*command: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*command], cwd=cwd, capture_output=True, text=True, timeout=120)


def lint_imports(cwd: Path) -> subprocess.CompletedProcess[str]:
    return run(str(Path(sys.executable).parent / "lint-imports"), "--no-cache", cwd=cwd)


def test_every_floor_sees_those_below_it_alone() -> None:
    linted = lint_imports(ROOT)
    assert linted.returncode == 0, linted.stdout


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("catalog/models.py", "import reservations.models", "Five floors"),
        ("core/errors.py", "import catalog.models", "Five floors"),
        ("reservations/models.py", "import graphql_api.schema", "Five floors"),
        ("reservations/booking.py", "import reservations.admin", "Inside an app"),
        ("reservations/booking.py", "import rest_framework", "The domain imports no web framework"),
        ("catalog/programme.py", "import strawberry", "The domain imports no web framework"),
        ("reservations/holds.py", "import prometheus_client", "The domain imports no web framework"),
        ("graphql_api/schema.py", "import reservations.api.views", "GraphQL imports nothing of REST"),
    ],
)
def test_a_broken_floor_is_noticed(tmp_path: Path, file: str, line: str, contract: str) -> None:
    for name in ("core", "catalog", "reservations", "graphql_api"):
        for source in (ROOT / name).rglob("*.py"):
            target = tmp_path / source.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(source.read_text())
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    with (tmp_path / file).open("a") as source_file:
        source_file.write(f"\n{line}\n")
    linted = lint_imports(tmp_path)
    assert linted.returncode != 0
    assert any(contract in row and "BROKEN" in row for row in linted.stdout.splitlines()), linted.stdout


def test_the_migrations_are_complete(db: None) -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_the_openapi_document_is_the_one_in_the_tree(tmp_path: Path) -> None:
    file = tmp_path / "openapi.yaml"
    call_command("spectacular", validate=True, fail_on_warn=True, file=str(file))
    assert file.read_text() == (ROOT / "core" / "openapi.yaml").read_text(), "make schema-files writes it anew"


def test_the_sdl_is_the_one_in_the_tree() -> None:
    from graphql_api.schema import schema

    stored = (ROOT / "graphql_api" / "schema.graphql").read_text()
    assert schema.as_str().strip() == stored.strip(), "make schema-files writes it anew"


@pytest.mark.parametrize("name", ["utils", "common", "helpers", "services", "managers", "base"])
def test_no_room_is_called_after_nothing(name: str) -> None:
    rooms = [*ROOT.glob(f"*/{name}.py"), *ROOT.glob(f"*/{name}/"), *ROOT.glob(f"{name}/")]
    assert not rooms
