"""The file of a baseline: the same bytes for the same content, whole or not there, errors with their line."""

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from pgwatch.baseline.file import read, refuse_existing, render, write
from pgwatch.baseline.model import KnownFinding, Timing, Untold
from pgwatch.errors import InputError
from tests.baselines import baseline, entry, snapshot, statement, statements

FULL = baseline(
    snapshot(),
    snapshot(
        database="other",
        objects=Untold(unknown="no lock within 100ms"),
        statements=Untold(unknown="not a member", cure="GRANT pg_read_all_stats TO pgwatch;"),
        health=Untold(unknown="x"),
    ),
    snapshot(
        database="third",
        statements=None,
        benchmarks=(
            Timing(
                name="app/b",
                limit_seconds=0.2,
                runs=3,
                p50_seconds=0.1,
                p95_seconds=0.15,
                plan=("Sort",),
            ),
        ),
    ),
    findings=(KnownFinding(target="app", check="PostgresSlowQuery", summary="s", digest="d"),),
)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "before.json"
    write(file, FULL)
    assert read(file) == FULL
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["before.json"]


def test_equal_baselines_are_equal_bytes() -> None:
    backwards = json.loads(render(FULL))
    assert (
        render(FULL)
        == json.dumps(
            dict(reversed(backwards.items())), indent=1, sort_keys=True, ensure_ascii=False
        )
        + "\n"
    )


def test_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "before.json"
    refuse_existing(file)
    file.write_text("mine")
    with pytest.raises(InputError, match=r"before.json: exists already; --force replaces it"):
        refuse_existing(file)
    with pytest.raises(InputError, match="there is no folder"):
        refuse_existing(tmp_path / "nowhere" / "before.json")


def test_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()  # a file cannot replace a folder that is not empty
    (folder / "x").write_text("")
    with pytest.raises(InputError, match="folder: cannot be written: is a directory"):
        write(folder, FULL)
    assert [one.name for one in tmp_path.iterdir()] == ["folder"]


TEXT = render(FULL)
DAMAGES = [
    pytest.param(TEXT[:200], r":\d+:\d+: is damaged, or no baseline: from here on", id="cut off"),
    pytest.param("", r":1:1: is damaged, or no baseline", id="empty"),
    pytest.param('{"schema": 1}', ":1: is no baseline of pgwatch", id="foreign"),
    pytest.param("[1]", ":1: is no baseline of pgwatch", id="foreign list"),
    pytest.param("[" * 100_000, "nested too deeply", id="nested"),
    pytest.param(
        TEXT.replace('"schema": 1,', '"schema": 2,'),
        r":1: has schema 2, written by pgwatch 0.1.0; this one reads schema 1",
        id="newer",
    ),
    pytest.param(
        TEXT.replace('"calls": 100', '"calls": "100"'),
        r":\d+:\d+: snapshots\[0\].statements.items\[0\].entries\[0\].calls: is damaged: expected a whole",
        id="type",
    ),
    pytest.param(
        TEXT.replace('"taken"', '"token"', 1),
        r":\d+:\d+: snapshots\[0\].taken: is damaged: is missing",
        id="missing",
    ),
    pytest.param(
        TEXT.replace('"toplevel": true', '"toplevel": 1', 1),
        "toplevel: is damaged: expected true or false",
        id="no boolean",
    ),
]


@pytest.mark.parametrize(("text", "expected"), DAMAGES)
def test_damaged_file_is_told_with_its_line(text: str, expected: str, tmp_path: Path) -> None:
    file = tmp_path / "before.json"
    file.write_text(text)
    with pytest.raises(InputError, match=expected):
        read(file)


def test_line_of_a_wrong_value_is_its_own(tmp_path: Path) -> None:
    file = tmp_path / "before.json"
    text = TEXT.replace('"calls": 100', '"calls": null')
    file.write_text(text)
    line = next(n for n, one in enumerate(text.splitlines(), 1) if '"calls": null' in one)
    with pytest.raises(InputError) as caught:
        read(file)
    assert caught.value.problems[0].line == line


@pytest.mark.parametrize("name", ["nothing.json", "."])
def test_file_that_cannot_be_read(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path / name)


def test_keys_of_a_later_minor_version_are_left_out(tmp_path: Path) -> None:
    document = json.loads(TEXT)
    document["snapshots"][0]["colour"] = "red"
    (tmp_path / "before.json").write_text(json.dumps(document))
    assert read(tmp_path / "before.json") == FULL


def test_whole_numbers_are_numbers_too(tmp_path: Path) -> None:
    exact = replace(
        FULL,
        snapshots=(snapshot(taken=5.0, statements=statements(statement("a", entry("1", 1, 2.0)))),),
    )
    (tmp_path / "before.json").write_text(render(exact).replace("5.0", "5"))
    assert read(tmp_path / "before.json") == exact
