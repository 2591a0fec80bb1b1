"""Folders and files that may not be read: told as problems by every reader, beside all other ones."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgwatch.config.choose import find_file
from pgwatch.config.load import load_settings
from pgwatch.errors import InputError
from pgwatch.files import not_a_file, not_a_folder
from pgwatch.migration.folder import find_migrations
from pgwatch.queries.catalog import load_catalog
from pgwatch.rules.load import load_rules
from tests.permissions import unprivileged


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may enter, with a subfolder `locked` that has files and lets nobody in."""
    path = Path(tempfile.mkdtemp())  # pytest's own folder is closed to other users
    path.chmod(0o755)
    locked = path / "locked"
    (locked / "pack").mkdir(parents=True)
    for name in ("file", "rules.yml", "pack/query.sql"):
        (locked / name).write_text("x")
    locked.chmod(0)
    yield path
    locked.chmod(0o700)
    shutil.rmtree(path)


def problems(folder: Path, text: str) -> list[str]:
    (folder / "pgwatch.yml").write_text(text)
    with unprivileged(), pytest.raises(InputError) as caught:
        load_settings(folder / "pgwatch.yml")
    return [str(problem).replace(f"{folder}/", "") for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("targets[0].password_file", "targets: [{dsn: host=a, password_file: locked/file}]"),
        ("alertmanager_config", "alertmanager_config: locked/file"),
        (
            "http_probes[0].header_files.X",
            "http_probes: [{name: p, url: 'http://a', header_files: {X: locked/file}}]",
        ),
        ("queries[0]", "queries: [locked]"),
        ("queries[0]", "queries: [locked/pack]"),
        ("rules.files[0]", "rules: {files: [locked/rules.yml]}"),
        ("rules.files[0]", "rules: {files: [locked/*.yml]}"),
        ("migrations[0]", "migrations: [locked/pack]"),
    ],
)
def test_what_stands_in_a_locked_folder_is_one_problem_of_many(
    folder: Path, key: str, text: str
) -> None:
    told = problems(folder, f"{text}\nretention: never\n")
    locked = [line for line in told if line.startswith("pgwatch.yml:1:")]
    assert len(locked) == 1
    assert locked[0].endswith(f" {key}: the folder locked may not be read: permission denied")
    assert any(line.startswith("pgwatch.yml:2:1: retention: ") for line in told)


def test_a_locked_folder_of_targets_is_not_empty(folder: Path) -> None:
    (folder / "locked").chmod(0o700)
    (folder / "locked").rename(folder / "conf.d")
    (folder / "conf.d").chmod(0)
    told = problems(folder, "retention: never\n")
    (folder / "conf.d").rename(folder / "locked")
    assert told[0] == "conf.d: the folder conf.d may not be read: permission denied"
    assert told[1].startswith("pgwatch.yml:1:1: retention: ")


def test_rules_queries_and_the_file_itself(folder: Path) -> None:
    locked = folder / "locked"
    denied = f"the folder {locked} may not be read: permission denied"
    for path in (locked, locked / "rules.yml"):
        with unprivileged(), pytest.raises(InputError) as caught:
            load_rules([path])
        assert str(caught.value) == f"{path}: {denied}"
    for path in (folder, locked, locked / "pack"):
        with unprivileged(), pytest.raises(InputError) as caught:
            load_catalog([path])
        assert str(caught.value).endswith(f": {denied}")
    with unprivileged(), pytest.raises(InputError) as caught:
        find_file(locked / "file")
    assert denied in str(caught.value)


def test_a_file_that_may_not_be_read_itself(folder: Path) -> None:
    (folder / "rules.yml").write_text("groups: []")
    (folder / "rules.yml").chmod(0)
    with (
        unprivileged(),
        pytest.raises(InputError, match=r"yml: cannot be read: permission denied$"),
    ):
        load_rules([folder / "rules.yml"])


def test_a_file_is_no_folder_and_the_reverse(folder: Path) -> None:
    file = folder / "file"
    file.touch()
    assert not_a_file(file) == not_a_folder(folder) == ""
    assert not_a_file(folder) == f"{folder} is a folder, not a file"
    assert not_a_folder(file) == f"{file} is a file, not a folder"
    assert not_a_file(file / "x") == f"there is no file {file / 'x'}"
    assert not_a_folder(folder / "x") == f"there is no folder {folder / 'x'}"
    assert problems(folder, "queries: [file]") == [
        "pgwatch.yml:1:11: queries[0]: file is a file, not a folder"
    ]
    assert problems(folder, "alertmanager_config: .") == [
        f"pgwatch.yml:1:1: alertmanager_config: {folder} is a folder, not a file"
    ]


def test_migrations_that_nobody_sees_are_not_none(folder: Path) -> None:
    for name in ("1_open", "2_locked"):
        (folder / "migrations" / name).mkdir(parents=True)
        (folder / "migrations" / name / "migration.sql").touch()
    locked = folder / "migrations/2_locked"
    locked.chmod(0)
    for pattern in (folder / "migrations", folder / "migrations/*", locked / "migration.sql"):
        with unprivileged(), pytest.raises(InputError) as caught:
            find_migrations([str(pattern)], named_in="command line")
        assert str(caught.value) == (
            f"command line: --migrations: the folder {locked} may not be read: permission denied"
        )
    assert len(find_migrations([str(folder / "migrations")], named_in="command line")) == 2
