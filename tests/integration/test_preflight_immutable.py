"""Which expressions an index takes: the server looks at what every value's text depends on."""

from pathlib import Path

import psycopg

from tests.preflight import compared

COLUMNS = {
    "xi": "xml",
    "i": "int",
    "b": "boolean",
    "j": "jsonb",
    "ta": "text[]",
    "m": "mood",
    "d": "date",
    "p": "posint",
    "n": "numeric(8,2)",
    "v": "varchar(10)",
    "tz": "timestamptz",
    "dy": "day",
    "u": "uuid",
    "f": "float8",
    "mo": "money",
    "tm": "time",
    "by": "bytea",
    "c": "char(3)",
    "inr": "int4range",
    "iv": "interval",
    "rc": "regclass",
    "ne": "inet",
}
BEFORE = f"""
CREATE TYPE mood AS ENUM ('a');
CREATE DOMAIN posint AS int;
CREATE DOMAIN day AS date;
CREATE TABLE t ({", ".join(f"{name} {type_}" for name, type_ in COLUMNS.items())});
"""
FORMS = ("({} || 'x'::text)", "('x'::text || {})", "({}::text)", "(v::varchar || '-' || {})")


def test_a_value_s_text_decides(any_database: str, tmp_path: Path) -> None:
    with psycopg.connect(any_database, autocommit=True) as connection:
        connection.execute(BEFORE.encode())
    file = tmp_path / "migration.sql"
    file.write_text(
        "".join(f"CREATE INDEX ON t ({form.format(name)});\n" for form in FORMS for name in COLUMNS)
    )
    difference = compared(any_database, [file])
    assert (difference.missed, difference.false, difference.unverifiable) == ([], [], [])
    assert 20 < difference.failed < 60
