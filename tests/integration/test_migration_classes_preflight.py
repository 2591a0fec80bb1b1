"""The failure classes before they happen: the preflight predicts the statements that psql then refuses."""

import re
from pathlib import Path

import pytest

from pgwatch.demo.server import LocalServer
from pgwatch.migration.preflight.predict import preflight
from pgwatch.migration.preflight.prediction import Trouble
from tests.conftest import create_database, drop_database
from tests.integration.test_migration_verify import CLASSES, expectations, psql, sections
from tests.watching import over_session


def predicted(dsn: str, file: Path) -> list[str]:
    found = over_session(dsn, lambda session: preflight(session, [file])).predictions
    return sorted(f"{p.line} !{p.sqlstate}" for p in found if p.trouble != Trouble.UNVERIFIABLE)


@pytest.mark.parametrize("kind", ["migration", "healthy"])
@pytest.mark.parametrize("file", CLASSES, ids=lambda f: f.stem)
def test_failing_statements_of_a_class_are_predicted(
    any_server: LocalServer, file: Path, kind: str, tmp_path: Path
) -> None:
    parts = sections(file)
    for name, text in parts.items():
        (tmp_path / name).write_text(text)
    fails = [one for one in expectations(parts[kind]) if re.search(r" !\w{5}$", one)]
    name = create_database(any_server)
    try:
        dsn = any_server.dsn(name)
        psql(dsn, tmp_path / "before")
        assert predicted(dsn, tmp_path / kind) == sorted(fails)
    finally:
        drop_database(any_server, name)
