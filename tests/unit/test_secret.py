"""Secrets are masked, and what is none stays readable."""

from pathlib import Path

import pytest

from pgwatch.errors import PgwatchError
from pgwatch.secret import Secret, redact


@pytest.mark.parametrize(
    ("text", "secrets", "expected"),
    [
        ("no hunter2here", ["hunter2"], "no <secret>here"),
        ("abcdef", ["abcd", "abcdef"], "<secret>"),  # the longest first
        ("stays", [""], "stays"),
        ("permission denied, up to p", ["p"], "permission denied, up to p"),
        ("password=p user=app", ["p"], "password=<secret> user=app"),
        ("password='p'", ["p"], "password='<secret>'"),
        ("postgresql://app:p@db:5432/app", ["p"], "postgresql://app:<secret>@db:5432/app"),
        ('missing "=" after "abc" in connection info string', ["abc"],
         'missing "=" after "<secret>" in connection info string'),
        ("password=*", ["*"], "password=<secret>"),
        ("password=pp", ["p"], "password=pp"),
    ],
)  # fmt: skip
def test_redact(text: str, secrets: list[str], expected: str) -> None:
    assert redact(text, secrets) == expected


def test_a_secret_file_that_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(PgwatchError, match=r"password is not UTF-8 text$"):
        Secret(file=file).reveal()
