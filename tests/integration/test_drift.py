"""The daemon's look at what migrations declare: what it brings, what it reads again, what it cannot tell."""

import os
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from pgwatch.migration.drift import DriftProbe, MigrationFiles
from pgwatch.probes.probe import ProbeError
from pgwatch.samples.labels import METRIC_NAME
from tests.watching import ours, sql, target

MIGRATION = """
CREATE TABLE house (id int PRIMARY KEY, price int);
CREATE INDEX house_price ON house (price);
CREATE VIEW cheap AS SELECT id FROM house WHERE price IN (1, 2);
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "1_house.sql"
    path.write_text(MIGRATION)
    return path


def probe(dsn: str, file: Path, seconds: float = 20) -> DriftProbe:
    return DriftProbe(
        target=target(dsn),
        files=MigrationFiles(patterns=[str(file.parent)]),
        interval=timedelta(minutes=5),
        timeout=timedelta(seconds=seconds),
    )


def told(probe: DriftProbe) -> list[tuple[str, str, str]]:
    collected = probe.run(1000)
    problems = [one for one in collected.labels if one[METRIC_NAME] == "pg_declared_object_problem"]
    assert set(collected.values[1:]) <= {1.0}
    return [(one["line"], one["object"], one["problem"]) for one in problems]


def test_drift_is_told_until_it_is_cured(any_database: str, file: Path) -> None:
    sql(any_database, MIGRATION)
    looking = probe(any_database, file)
    assert told(looking) == []
    assert looking.run(1000).values[0] == 6  # table, two columns, key, index, view
    sql(any_database, "DROP INDEX house_price")
    assert told(looking) == [("3", "house_price", "missing")]
    sql(any_database, "CREATE INDEX house_price ON house (price)")
    assert told(looking) == []
    assert ours(any_database) == 0


def test_changed_and_new_files_count_without_a_reload(database: str, file: Path) -> None:
    sql(database, MIGRATION)
    looking = probe(database, file)
    assert told(looking) == []
    file.write_text(MIGRATION + "ALTER TABLE house ADD COLUMN colour text;\n")
    assert told(looking) == [("5", "house.colour", "missing")]
    (file.parent / "2_garden.sql").write_text("CREATE TABLE garden ();\n")
    assert told(looking) == [("5", "house.colour", "missing"), ("1", "garden", "missing")]
    # With the same time and length nobody looks into a file again.
    before = file.stat()
    file.write_text(file.read_text().replace("colour", "colors"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert told(looking)[0][1] == "house.colour"


def test_targets_share_what_was_read(database: str, file: Path) -> None:
    sql(database, MIGRATION)
    first, second = probe(database, file), probe(database, file)
    second.files = first.files
    assert told(first) == []
    before = file.stat()
    file.write_text(MIGRATION.replace("cheap", "cheep"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert told(second) == []
    assert told(probe(database, file)) == [("4", "cheep", "missing")]


def test_what_it_cannot_tell_is_no_answer(database: str, file: Path) -> None:
    sql(database, MIGRATION)
    looking = probe(database, file)
    with psycopg.connect(database) as holder:
        holder.execute("LOCK TABLE house IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(ProbeError, match="lock timeout"):
            looking.run(1000)
    file.unlink()
    with pytest.raises(ProbeError, match="no migration file matches"):
        looking.run(1000)
    file.write_text(MIGRATION)
    with pytest.raises(ProbeError, match="could not be read"):
        probe("postgresql://postgres@127.0.0.1:9/x", file).run(1000)


def test_series_are_bounded(database: str, file: Path) -> None:
    file.write_text("".join(f"CREATE TABLE t{n} ();\n" for n in range(250)))
    collected = probe(database, file).run(1000)
    assert (len(collected.labels), dict(collected.dropped)) == (201, {"max_series": 50})
