"""What people install: the wheel, built from the source distribution, in an environment of its own."""

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from pgwatch import __version__
from tests.servers import ROOT, missing_peer

SHIPPED = ("queries", "alerts", "grafana")
# What pip says when it reaches no registry; any other refusal is a fault of the wheel.
_NO_NETWORK = re.compile(r"NewConnectionError|NameResolutionError|ConnectTimeout|ProxyError")


def files_of(folder: Path) -> set[str]:
    """Return the files below `folder`, relative to it, without what Python compiled."""
    return {
        str(file.relative_to(folder))
        for file in folder.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the source distribution, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (wheel,) = built.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of commands of a new environment that has the wheel and what it depends on."""
    home = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True, timeout=120)
    install = ["install", "--quiet", "--retries", "1", "--disable-pip-version-check", str(wheel)]
    done = subprocess.run(
        [str(home / "bin" / "pip"), *install],
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    if done.returncode and _NO_NETWORK.search(done.stderr):
        missing_peer("a package registry")
    assert done.returncode == 0, done.stderr
    return home / "bin"


@pytest.fixture
def pgwatch(installed: Path, tmp_path: Path) -> "Command":
    return Command(installed, tmp_path)


class Command:
    """The installed command, run in a folder that has nothing to do with the repository."""

    def __init__(self, installed: Path, folder: Path) -> None:
        self._installed = installed
        self._folder = folder

    def __call__(
        self, *arguments: str, program: str = "pgwatch"
    ) -> subprocess.CompletedProcess[str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "PYTHON"))}
        return subprocess.run(
            [str(self._installed / program), *arguments],
            cwd=self._folder,
            env=clean,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


def test_wheel_holds_every_file_of_the_package_and_of_the_shipped_folders(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if not archive.getinfo(name).is_dir()}
    wanted = {f"pgwatch/{name}" for name in files_of(ROOT / "pgwatch")}
    for kind in SHIPPED:
        wanted |= {f"pgwatch/share/{kind}/{name}" for name in files_of(ROOT / kind)}
    assert wanted - inside == set()
    # The build itself could lose a folder that this test then does not expect either.
    for name in (
        "pgwatch/py.typed",
        "pgwatch/demo/sql/cure.sql",
        "pgwatch/demo/sql/migrations/20250812_performance_optimization/migration.sql",
        "pgwatch/demo/inbox.css",
        "pgwatch/config/samples/pgwatch.yml",
        "pgwatch/config/samples/alertmanager.yml",
        "pgwatch/share/queries/app/roofing/constraint_violations.sql",
        "pgwatch/share/alerts/tests/schema.yml",
        "pgwatch/share/grafana/provisioning/datasources/prometheus.yml",
    ):
        assert name in inside
    strays = {name for name in inside - wanted if ".dist-info/" not in name}
    assert strays == set()
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in inside)


def test_source_distribution_holds_what_it_is_built_and_tested_from(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        inside = {member.name.split("/", 1)[-1] for member in archive if member.isfile()}
    for folder in ("pgwatch", *SHIPPED):
        assert {f"{folder}/{name}" for name in files_of(ROOT / folder)} - inside == set()
    for name in ("pyproject.toml", "LICENSE", "README.md", "CHANGELOG.md", "tests/conftest.py"):
        assert name in inside


def test_installed_command_has_its_queries_rules_and_samples(
    pgwatch: Command, tmp_path: Path
) -> None:
    assert pgwatch("--version").stdout.strip() == f"pgwatch {__version__}"

    rules = pgwatch("check", "--list")
    assert rules.returncode == 0, rules.stderr
    assert "PostgresConstraintNotValidated" in rules.stdout

    queries = pgwatch("queries", "list")
    assert queries.returncode == 0, queries.stderr
    for name in ("core/activity", "statements/top", "app/roofing/constraint_violations"):
        assert name in queries.stdout

    assert pgwatch("config", "init").returncode == 0
    checked = pgwatch("config", "check")
    assert checked.returncode == 0, checked.stderr
    assert (tmp_path / "alertmanager.yml").exists()


def test_installed_gate_judges_a_database(pgwatch: Command, database: str) -> None:
    checked = pgwatch("check", "--once", "--only", "PostgresConstraintNotValidated", database)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "PASS" in checked.stdout


def test_demo_without_its_extra_says_what_to_install(pgwatch: Command) -> None:
    started = pgwatch("demo", "--once")
    assert started.returncode == 1
    assert "pip install 'pgwatch[demo]'" in started.stderr


def test_nothing_is_read_from_the_repository(pgwatch: Command, installed: Path) -> None:
    asked = pgwatch(
        "-c",
        "import pgwatch, pgwatch.share as s; print(pgwatch.__file__, s.share('queries'))",
        program="python",
    )
    assert asked.returncode == 0, asked.stderr
    for path in asked.stdout.split():
        assert Path(path).is_relative_to(installed.parent)
