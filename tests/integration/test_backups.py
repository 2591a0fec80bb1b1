"""Backups that real pg_dump and pg_basebackup wrote are told apart, and damaged ones are told as damaged."""

import asyncio
import gzip
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from pgwatch.check.backup import BackupChecks, BackupPlace, place_of
from pgwatch.check.extra import Visit
from pgwatch.check.verdict import CheckResult, Verdict
from pgwatch.collect.poll import Polled, poll_once
from pgwatch.probes.backup import programs as backup_programs
from pgwatch.probes.backup.inspect import inspect
from pgwatch.probes.backup.inspection import Form, Inspection
from pgwatch.targets.dsn import Dsn
from pgwatch.targets.target import Target
from tests.conftest import Servers, create_database, drop_database
from tests.permissions import unprivileged
from tests.servers import bin_of, missing_peer

VERSIONS = (15, 17, 18)  # those whose programs are here; 16 comes as a server alone
FORMS = {
    "plain": Form.PLAIN,
    "created": Form.PLAIN,
    "cluster": Form.CLUSTER,
    "custom": Form.CUSTOM,
    "directory": Form.DIRECTORY,
    "tar": Form.TAR,
    "base": Form.BASE,
    "basetar": Form.BASE_TAR,
    "basetargz": Form.BASE_TAR,
}


@dataclass(frozen=True)
class Made:
    """What the programs of one version wrote."""

    version: int
    folder: Path
    database: str
    dsn: str


@pytest.fixture(scope="module", params=VERSIONS, ids=lambda version: f"pg{version}")
def made(
    request: pytest.FixtureRequest, servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Made]:
    version: int = request.param
    server, folder = servers[version], tmp_path_factory.mktemp(f"backups{version}")
    name = create_database(server)
    dsn = server.dsn(name)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE t AS SELECT g, md5(g::text) AS m FROM generate_series(1, 3000) AS g"
        )
        connection.execute("CREATE TABLE empty (a int)")
        connection.execute("SELECT lo_from_bytea(0, 'abc')")

    def run(program: str, *arguments: str) -> None:
        command = [str(bin_of(version) / program), "--no-sync", *arguments]
        password = {"PGPASSWORD": Dsn.parse(dsn).value("password") or "postgres"}
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, **password})

    run("pg_dump", "-d", dsn, "-f", str(folder / "plain"))
    run("pg_dump", "-C", "-d", dsn, "-f", str(folder / "created"))
    run("pg_dumpall", "-d", server.dsn(), "-f", str(folder / "cluster"))
    run("pg_dump", "-Fc", "-d", dsn, "-f", str(folder / "custom"))
    run("pg_dump", "-Fd", "-d", dsn, "-f", str(folder / "directory"))
    run("pg_dump", "-Ft", "-d", dsn, "-f", str(folder / "tar"))
    base = ("-c", "fast", "-d", server.dsn())
    run("pg_basebackup", "-D", str(folder / "base"), *base)
    run("pg_basebackup", "-Ft", "-D", str(folder / "basetar"), *base)
    run("pg_basebackup", "-Ft", "-z", "-D", str(folder / "basetargz"), *base)
    yield Made(version=version, folder=folder, database=name, dsn=dsn)
    drop_database(server, name)


@pytest.fixture(params=["with programs", "alone"])
def programs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whether pg_restore and pg_verifybackup are installed here, for pgwatch."""
    if request.param == "alone":
        monkeypatch.setattr(backup_programs, "find_program", lambda _: None)
    return str(request.param)


def look(path: Path) -> Inspection:
    return inspect(path, until=time.monotonic() + 60)


def test_whole_backups_are_whole(made: Made, programs: str) -> None:
    for name, form in FORMS.items():
        found = look(made.folder / name)
        assert (found.form, found.problems, found.untold) == (form, (), ()), name
        if form not in (Form.CLUSTER, Form.BASE_TAR):
            assert found.server_version.split(".")[0] == str(made.version), name
        said = {"created", "custom", "directory", "tar"}
        assert found.database == (made.database if name in said else ""), name
    with psycopg.connect(made.dsn) as connection:
        [identifier] = connection.execute(
            "SELECT system_identifier FROM pg_control_system()"
        ).fetchone() or [0]
    assert look(made.folder / "base").system_identifier == identifier


def cut(path: Path, share: float) -> None:
    os.truncate(path, int(path.stat().st_size * share))


def cut_end(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 200)


def largest(folder: Path) -> Path:
    files = (file for file in folder.rglob("*") if file.is_file())
    return max(
        (file for file in files if file.name not in ("toc.dat", "backup_manifest")),
        key=lambda file: file.stat().st_size,
    )


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle] ^= 0xFF
    path.write_bytes(content)


def name_another_file(path: Path) -> None:
    manifest = path / "backup_manifest"
    manifest.write_text(manifest.read_text().replace("PG_VERSION", "PG_VERSIOM"))


DAMAGES: list[tuple[str, Callable[[Path], object], str]] = [
    ("plain", lambda p: cut(p, 0.5), "breaks off"),
    ("plain", cut_end, "breaks off"),
    ("plain", lambda p: p.write_text(p.read_text() + "\nmore"), "text was added"),
    ("plain", lambda p: p.write_text(""), "empty"),
    ("cluster", cut_end, "cluster dump complete"),
    ("custom", lambda p: cut(p, 0.02), "breaks off"),  # within the contents
    ("custom", lambda p: cut(p, 0.6), "breaks off"),
    ("custom", cut_end, "breaks off"),
    ("directory", lambda p: (p / "toc.dat").unlink(), "no dump"),
    ("directory", lambda p: cut(p / "toc.dat", 0.5), "toc.dat: it breaks off"),
    ("directory", lambda p: largest(p).unlink(), "is missing"),
    ("directory", lambda p: cut(largest(p), 0.5), "is damaged: gzip"),
    ("directory", lambda p: flip(largest(p)), "is damaged: gzip"),
    ("tar", lambda p: cut(p, 0.5), "breaks off"),
    ("base", lambda p: (p / "global" / "pg_control").unlink(), "global/pg_control is missing"),
    ("base", lambda p: cut(largest(p / "base"), 0.5), "bytes instead of"),
    ("base", lambda p: cut(p / "backup_manifest", 0.5), "manifest breaks off"),
    ("base", name_another_file, "checksum does not hold"),
    ("basetar", lambda p: cut(p / "base.tar", 0.5), "base.tar: it breaks off"),
    ("basetar", lambda p: cut(p / "pg_wal.tar", 0.5), "pg_wal.tar: it breaks off"),
    ("basetar", lambda p: (p / "base.tar").unlink(), "is missing"),
    ("basetargz", lambda p: cut(p / "base.tar.gz", 0.5), "base.tar.gz: it is damaged: gzip"),
]


def test_damaged_backups_are_told(made: Made, programs: str, tmp_path: Path) -> None:
    wrong = []
    for number, (name, damage, expected) in enumerate(DAMAGES):
        if made.version == 17 and name.startswith("base"):
            continue  # nothing that 18 does not have, and 40 MB each
        path = tmp_path / str(number)
        source = made.folder / name
        if source.is_dir():
            shutil.copytree(source, path)
        else:
            shutil.copy(source, path)
        damage(path)
        found = look(path)
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        told = "; ".join(found.problems)
        if (expected not in told) or bool(expected) != bool(told):
            wrong.append((number, name, expected, found))
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("program", ["gzip", "zstd", "lz4"])
def test_compressed_dumps_are_read_to_their_end(
    made: Made, tmp_path: Path, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which(program) is None:
        missing_peer(program)
    path = tmp_path / "created.z"
    packed = subprocess.run(
        [program, "-c", str(made.folder / "created")], check=True, capture_output=True
    ).stdout
    path.write_bytes(packed)
    found = look(path)
    assert (found.form, found.problems, found.untold) == (Form.PLAIN, (), ())
    assert (found.database, found.read) == (made.database, f"all of it, through {program}")
    path.write_bytes(packed[:-50])
    assert look(path).problems
    damaged = bytearray(packed)
    damaged[len(packed) // 2] ^= 0xFF
    path.write_bytes(damaged)
    assert look(path).problems
    path.write_bytes(packed)
    slow = inspect(path, until=0.0)
    assert slow.problems == ()
    assert "there was time for the first" in slow.untold[0]
    if program != "gzip":
        monkeypatch.setattr(shutil, "which", lambda _: None)
        found = look(path)
        assert (found.problems, found.cures) == ((), (f"apt install {program}",))


def test_broken_dump_that_was_compressed_afterwards_is_told(made: Made, tmp_path: Path) -> None:
    half = (made.folder / "plain").read_bytes()[:-300]
    path = tmp_path / "plain.gz"
    path.write_bytes(gzip.compress(half))
    assert "breaks off" in look(path).problems[0]
    path.write_bytes(gzip.compress((made.folder / "custom").read_bytes()[:-300]))
    found = look(path)
    assert (found.form, found.problems) == (Form.CUSTOM, ())
    assert "whether pg_dump had ended is not told" in found.untold[0]


def test_what_is_no_backup_is_told(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("CREATE TABLE t (a int);\n")
    (tmp_path / "folder").mkdir()
    for path in (other, tmp_path / "folder"):
        assert look(path).problems == ("it is no dump of PostgreSQL, and no base backup",)
    assert "cannot be read" in look(tmp_path / "absent").untold[0]


def test_part_of_a_dump_is_no_backup(made: Made, tmp_path: Path) -> None:
    parts = {"--schema-only": "the schema alone", "--data-only": "the tables' data alone"}
    for option, told in parts.items():
        for form in "cdt":
            path = tmp_path / (option + form)
            command = [str(bin_of(made.version) / "pg_dump"), option, f"-F{form}", "-f", str(path)]
            subprocess.run([*command, "-d", made.dsn], check=True, capture_output=True)
            [problem] = look(path).problems
            assert problem.endswith(told)


def checked(made: Made, *places: BackupPlace, now: datetime | None = None) -> CheckResult:
    target = Target(name="t", dsn=Dsn.parse(made.dsn))

    async def run() -> CheckResult:
        polled: list[Polled] = await poll_once(target, [], deadline=timedelta(seconds=10))
        visit = Visit(
            target=target,
            polled=polled,
            limit=timedelta(seconds=30),
            now=now or datetime.now(UTC),
            say=lambda _: None,
        )
        [result] = await BackupChecks(places=places).run(visit)
        return result

    return asyncio.run(run())


def test_the_newest_backup_of_the_database_is_judged(made: Made, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    assert checked(made).verdict is Verdict.UNKNOWN
    assert "backups: [{path:" in checked(made).cure
    missing = checked(made, BackupPlace(folder=folder))
    assert (missing.verdict, missing.findings[0].summary) == (
        Verdict.FAIL,
        f"{folder} does not exist",
    )
    folder.mkdir()
    assert "nothing in" in checked(made, BackupPlace(folder=folder)).findings[0].summary

    shutil.copy(made.folder / "custom", folder / "backup_1.dump")
    result = checked(made, place_of(f"{folder}/backup_*"))
    assert (result.verdict, result.findings) == (Verdict.PASS, ())
    assert result.reason.startswith("backup_1.dump is a custom-format dump, ")

    shutil.copy(made.folder / "custom", folder / "backup_2.dump")
    cut(folder / "backup_2.dump", 0.3)
    os.utime(folder / "backup_1.dump", (1, 1))
    result = checked(made, place_of(str(folder)))
    assert result.verdict is Verdict.FAIL
    assert [one.summary.split(":")[0] for one in result.findings] == ["backup_2.dump"] * 2
    assert "breaks off" in result.findings[0].summary
    assert "less than 50% of backup_1.dump before it" in result.findings[1].summary

    later = datetime.now(UTC) + timedelta(days=2)
    (folder / "backup_2.dump").unlink()
    [old] = checked(made, BackupPlace(folder=folder), now=later).findings
    assert "old; at most 1d2h is wanted" in old.summary

    ahead = time.time() + 86_400
    os.utime(folder / "backup_1.dump", (ahead, ahead))
    result = checked(made, BackupPlace(folder=folder))
    assert result.verdict is Verdict.UNKNOWN
    assert "backup_1.dump: how old it is: its time is " in result.reason


def test_folder_that_may_not_be_read_is_unknown(made: Made) -> None:
    folder = Path(tempfile.mkdtemp())  # pytest's own folder is closed to other users
    try:
        shutil.copy(made.folder / "custom", folder)
        folder.chmod(0o111)
        with unprivileged():
            result = checked(made, BackupPlace(folder=folder))
    finally:
        shutil.rmtree(folder)
    assert (result.verdict, result.findings) == (Verdict.UNKNOWN, ())
    assert result.reason == f"{folder} cannot be read: Permission denied"


def test_role_that_may_not_ask_for_the_cluster_cannot_tell(made: Made) -> None:
    function = "pg_control_system()"
    place = BackupPlace(folder=made.folder, pattern="base")
    with psycopg.connect(made.dsn, autocommit=True) as connection:
        try:
            connection.execute(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC")
            connection.execute("CREATE ROLE asks LOGIN PASSWORD 'asks'")
            asks = replace(
                made, dsn=psycopg.conninfo.make_conninfo(made.dsn, user="asks", password="asks")
            )
            result = checked(asks, place)
        finally:
            connection.execute(f"GRANT EXECUTE ON FUNCTION {function} TO PUBLIC")
            connection.execute("DROP ROLE IF EXISTS asks")
    assert (result.verdict, result.findings) == (Verdict.UNKNOWN, ())
    assert "base: whether it is of this cluster could not be asked: " in result.reason
    assert "permission denied for function pg_control_system" in result.reason


def test_backup_of_another_database_version_or_cluster_is_told(
    made: Made, servers: Servers, tmp_path: Path
) -> None:
    other = create_database(servers[15 if made.version != 15 else 18])
    server = servers[15 if made.version != 15 else 18]
    elsewhere = Made(version=0, folder=made.folder, database=other, dsn=server.dsn(other))
    try:
        shutil.copy(made.folder / "custom", tmp_path / "custom")
        if other != made.database:
            [one] = checked(elsewhere, BackupPlace(folder=tmp_path)).findings
            assert one.summary.endswith(f"is of {other}; custom is of {made.database}")
        place = BackupPlace(folder=made.folder, pattern="base")
        told = [one.summary for one in checked(elsewhere, place).findings]
        assert any("it was taken from PostgreSQL" in one for one in told)
        assert any("it is of another cluster" in one for one in told)
        unrelated = BackupPlace(folder=tmp_path, target="another")
        assert checked(made, unrelated).verdict is Verdict.UNKNOWN
    finally:
        drop_database(server, other)
