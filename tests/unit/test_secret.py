"""Secrets are masked, and what is none stays readable."""

import time
from pathlib import Path

import pytest

from pgwatch.errors import PgwatchError
from pgwatch.secret import Secret, mask_passwords, redact


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


@pytest.mark.parametrize("word", ["a", "a://b:", "password ''", "$x$ password $y$"])
def test_masking_takes_no_time(word: str) -> None:
    begun = time.process_time()
    mask_passwords(word * (500_000 // len(word)))
    assert time.process_time() - begun < 5


def test_a_secret_file_that_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(PgwatchError, match=r"password is not UTF-8 text$"):
        Secret(file=file).reveal()


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("postgresql://u:a@b:c@h/d x", "postgresql://u:<secret>@h/d x"),
        ("postgres://u@h/d?password=abc&x=1", "postgres://u@h/d?password=<secret>&x=1"),
        ("password=abc host=h", "password=<secret> host=h"),
        (r"password='a\' b' host=h", "password=<secret> host=h"),
        ("password = 'open and the rest", "password = <secret>"),
        ("sslpassword=abc", "sslpassword=<secret>"),
        ("PASSWORD=abc", "PASSWORD=<secret>"),
        ("http://localhost:9432/x", "http://localhost:9432/x"),
        ("postgresql://u@h:5432/d", "postgresql://u@h:5432/d"),
        ("ALTER ROLE a PASSWORD 'it''s' LOGIN", "ALTER ROLE a PASSWORD <secret> LOGIN"),
        ("ALTER ROLE a PASSWORD $x$it's$x$ LOGIN", "ALTER ROLE a PASSWORD <secret> LOGIN"),
        ("EXECUTE 'ALTER ROLE a PASSWORD ''x''';", "EXECUTE 'ALTER ROLE a PASSWORD <secret>';"),
        ("CONNECTION 'host=h password=x'", "CONNECTION 'host=h password=<secret>'"),
        ("EXECUTE 'SELECT f(password => ''x'')'", "EXECUTE 'SELECT f(password => <secret>)'"),
        ("ALTER TABLE a ADD password text", "ALTER TABLE a ADD password text"),
    ],
)
def test_passwords_in_texts_are_masked(text: str, masked: str) -> None:
    assert mask_passwords(text) == masked
