"""Every form of a connection string; none of them, malformed ones included, shows its password."""

import os
import traceback
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from pgwatch.errors import PgwatchError
from pgwatch.secret import Secret
from pgwatch.targets.dsn import Dsn

PASSWORD = "s3cr3t-Zebra"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No PG* variable and an empty home, whatever machine this is."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


FORMS = [
    # text, host_port, dbname, user
    ("postgresql://u:{pw}@db1:5433/app", "db1:5433", "app", "u"),
    ("postgres://u:{pw}@db1/app", "db1:5432", "app", "u"),
    ("postgresql://u:{pw}@db1,db2:5433/app", "db1:5432,db2:5433", "app", "u"),
    ("postgresql://db1/app?user=u&password={pw}", "db1:5432", "app", "u"),
    ("postgresql://db1/app?user=u&password=a@{pw}", "db1:5432", "app", "u"),
    ("postgresql://u:{pw}@[::1]:5433/app", "[::1]:5433", "app", "u"),
    ("postgresql://u:{pw}@/app?host=/run/pg", "/run/pg:5432", "app", "u"),
    ("postgresql://u:{pw}@%2Frun%2Fpg/app", "/run/pg:5432", "app", "u"),
    ("postgresql://u:a%40{pw}%2F@db1", "db1:5432", "u", "u"),
    ("postgresql://u:{pw}?#x@db1/app", "db1:5432", "app", "u"),  # libpq reads it so
    ("host=db1 port=5433 dbname=app user=u password={pw}", "db1:5433", "app", "u"),
    ("host=db1 user=u password='a @ {pw}'", "db1:5432", "u", "u"),
    ("host=db1,db2 port=5433 user=u password={pw}", "db1:5433,db2:5433", "u", "u"),
    ("hostaddr=10.0.0.1 user=u password={pw}", "10.0.0.1:5432", "u", "u"),
]


@pytest.mark.parametrize(("text", "host_port", "dbname", "user"), FORMS, ids=[f[0] for f in FORMS])
def test_a_form_is_read_as_libpq_reads_it(
    text: str, host_port: str, dbname: str, user: str
) -> None:
    dsn = Dsn.parse(text.format(pw=PASSWORD))
    assert (dsn.host_port, dsn.dbname, dsn.user) == (host_port, dbname, user)
    assert PASSWORD in str(conninfo_to_dict(dsn.conninfo())["password"])


@pytest.mark.parametrize("text", [form[0] for form in FORMS])
def test_no_form_prints_its_password(text: str) -> None:
    dsn = Dsn.parse(text.format(pw=PASSWORD))
    shown = f"{dsn} {dsn!r} {dsn.redacted} {dsn.host_port} {dsn.value('password')} {[dsn]}"
    assert PASSWORD not in shown
    assert any(PASSWORD in secret for secret in dsn.secrets())


MALFORMED = [
    # text, part of the message
    ("postgresql://u:a@{pw}@db1/app", "%40"),  # libpq: host is the password's tail
    ("postgresql://u:12/{pw}@db1/app", "%2F"),  # libpq: the tail is the database
    ("postgresql://u:{pw}/x@db1/app", "%2F"),  # libpq: the password is the port
    ("postgresql://u:{pw}/x", "port"),
    ("postgresql://u:1/x?sslmode={pw}@db1/app", "%40"),
    ("postgresql://u:x@db1,u:{pw}@db2/app", "%40"),
    ("postgresql://u:%zz{pw}@db1/app", "%25"),
    ("postgresql://u:{pw}@db1/app?schema=public", "'schema'"),  # Prisma's
    ("postgresql://u@db1/app?sslmode=require&{pw}=1", "parameter 2"),
    ("postgresql://u:{pw}@[::1/app", "expected postgresql://"),
    ("postgresql://u:{pw}@db1:99999/app", "port"),
    ("mysql://u:{pw}@db1/app", "postgresql://"),
    ("postgresql+psycopg://u:{pw}@db1/app", "postgresql://"),
    ("host=db1 password=a {pw}", "single quotes"),
    ("host=db1 password=a {pw}=b", "single quotes"),
    ("host=db1 password='{pw}", "not closed"),
    ("host=u:{pw}@db1", "'@'"),
    ("dbname=postgresql://u:{pw}@db1/app", "whole URL"),
    ("{pw}", "key=value"),
    ("host=db1\0password={pw}", "NUL"),
]


@pytest.mark.parametrize(("text", "expected"), MALFORMED, ids=[m[0] for m in MALFORMED])
def test_a_malformed_one_is_refused_in_our_own_words(text: str, expected: str) -> None:
    with pytest.raises(PgwatchError) as caught:
        Dsn.parse(text.format(pw=PASSWORD))
    assert expected in str(caught.value)
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


def test_an_empty_one_is_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "PGHOST": "db9",
        "PGPORT": "5439",
        "PGDATABASE": "app",
        "PGUSER": "u",
        "PGPASSWORD": PASSWORD,
    }.items():
        monkeypatch.setenv(name, value)
    dsn = Dsn.parse("")
    assert dsn.redacted == "postgresql://u@db9:5439/app"
    assert PASSWORD in dsn.secrets()


def test_a_url_in_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGDATABASE", f"postgresql://u:{PASSWORD}@db1/app")
    with pytest.raises(PgwatchError, match="PGDATABASE"):
        Dsn.parse("host=db1")


def test_a_service_is_spelt_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "services"
    file.write_text(
        f"# ours\n[other]\nhost=no\n\n[main]\nhost=db7\nport=5440\npassword={PASSWORD}\n"
    )
    monkeypatch.setenv("PGSERVICEFILE", str(file))
    dsn = Dsn.parse("service=main user=u port=5441")
    assert dsn.redacted == "postgresql://u@db7:5441/u"
    assert conninfo_to_dict(dsn.conninfo()) == {
        "host": "db7",
        "port": "5441",
        "user": "u",
        "password": PASSWORD,
    }
    assert PASSWORD in dsn.secrets()


@pytest.mark.parametrize(
    ("lines", "expected"),
    [("[other]\nhost=db1", "'main' is not defined"), ("[main]\nhost = db1", "services:2")],
)
def test_a_broken_service_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lines: str, expected: str
) -> None:
    file = tmp_path / "services"
    file.write_text(lines)
    monkeypatch.setenv("PGSERVICEFILE", str(file))
    with pytest.raises(PgwatchError, match=expected):
        Dsn.parse("service=main")


def test_a_password_file_is_read_at_each_connect(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("first\n")
    dsn = Dsn.parse("postgresql://u:old@db1/app", password=Secret(file=file))
    assert conninfo_to_dict(dsn.conninfo())["password"] == "first"
    file.write_text(PASSWORD)
    assert conninfo_to_dict(dsn.conninfo(database="b\\ '")) == {
        "host": "db1",
        "user": "u",
        "password": PASSWORD,
        "dbname": "b\\ '",
    }
    assert dsn.secrets() == {"old", PASSWORD}
    file.unlink()
    with pytest.raises(PgwatchError, match="cannot read secret file"):
        dsn.conninfo()


def test_pgpass_is_known_for_redaction(tmp_path: Path) -> None:
    (tmp_path / ".pgpass").write_text(f"# c\n*:*:*:u:a\\:{PASSWORD}\ndb1:5432:*:other:unused\n")
    assert Dsn.parse("host=db1 user=u").secrets() == {f"a:{PASSWORD}"}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("host=127.0.0.1 porrt=5", "libpq has no keyword 'porrt'; did you mean port?"),
        ("host=a database=app", "libpq has no keyword 'database'; did you mean dbname?"),
        ("password='x y' usr=u", "libpq has no keyword 'usr'; did you mean user?"),
        ("host=a pasword=s3cr3t-Zebra", "libpq has no keyword 'pasword'; did you mean password?"),
        ("password=s3cr3t-Zebra porrt=5", None),  # porrt may be a part of the password
        ("host=a s3cr3t-Zebra=1", None),
    ],
)
def test_an_unknown_keyword_is_named_and_no_value(text: str, named: str | None) -> None:
    with pytest.raises(PgwatchError) as caught:
        Dsn.parse(text)
    said = str(caught.value).removeprefix("the connection string is not usable: ")
    assert said == named if named else said.startswith("expected key=value pairs")
    assert "s3cr3t" not in said
