"""Log lines as logfmt and JSON, without secrets."""

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest

from pgwatch.cli import logs

logger = logging.getLogger("pgwatch.test")


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Logging and the hidden secrets as they were before the test."""
    root, own = logging.getLogger(), logging.getLogger("pgwatch")
    handlers, levels = root.handlers[:], (root.level, own.level)
    root.handlers = []
    monkeypatch.setattr(logs, "_hidden", set())
    yield
    root.handlers = handlers
    root.setLevel(levels[0])
    own.setLevel(levels[1])


def lines(form: str, level: str = "debug") -> io.StringIO:
    stream = io.StringIO()
    logs.setup(level=level, form=form, stream=stream)
    return stream


def test_logfmt_line() -> None:
    stream = lines("logfmt")
    logger.warning("query timed out", extra={"target": "roofing", "timeout_s": 2.5})
    time, rest = stream.getvalue().split(" ", 1)
    assert time.startswith("time=20")
    assert time.endswith("Z")
    assert rest == (
        'level=warning logger=pgwatch.test msg="query timed out" target=roofing timeout_s=2.5\n'
    )


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain", "plain"),
        ("two words", '"two words"'),
        ("", '""'),
        ('say "hi"', r'"say \"hi\""'),
        ("a=b", '"a=b"'),
        ("line\nbreak", r'"line\nbreak"'),
        ("back\\slash", r'"back\\slash"'),
        ("größer", "größer"),
        ("\x1b[31m", r'"\u001b[31m"'),
        (None, "null"),
        (True, "true"),
        (3, "3"),
        (["a", "b"], "a,b"),
        (["a b", "c"], '"a b,c"'),
        (ValueError("no such thing"), '"no such thing"'),
    ],
)
def test_logfmt_values(value: object, written: str) -> None:
    stream = lines("logfmt")
    logger.info("x", extra={"fact": value})
    assert stream.getvalue().endswith(f" fact={written}\n")


def test_json_line() -> None:
    stream = lines("json")
    facts = {
        "target": "a",
        "n": 3,
        "share": float("nan"),
        "ok": True,
        "names": ("x", "y"),
        "of": None,
    }
    logger.error("query failed", extra=facts)
    line = json.loads(stream.getvalue())
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "error",
        "logger": "pgwatch.test",
        "msg": "query failed",
        **facts,
        "share": "nan",
        "names": ["x", "y"],
    }


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_a_traceback_stays_in_one_line(form: str) -> None:
    stream = lines(form)
    logger.error("query failed", exc_info=ValueError("broken"))
    assert stream.getvalue().count("\n") == 1
    assert "ValueError: broken" in stream.getvalue()


def test_a_fact_does_not_replace_what_the_line_has() -> None:
    stream = lines("logfmt")
    logger.info("x", extra={"level": "high"})
    assert stream.getvalue().endswith("level=info logger=pgwatch.test msg=x field_level=high\n")


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_secrets_are_masked_wherever_they_stand(form: str) -> None:
    stream = lines(form)
    logs.hide(["hunter2hunter2", "a\"b c'd"])
    logger.error(
        "hunter2hunter2",
        exc_info=ValueError("server said hunter2hunter2"),
        extra={
            "text": "x hunter2hunter2 y",
            "quoted": "a\"b c'd",
            "listed": ["hunter2hunter2"],
            "dsn": "postgresql://u:never-told@h/d",
            "pairs": "host=h password='it is so'",
        },
    )
    out = stream.getvalue()
    for secret in ("hunter2", "b c'd", "never-told", "it is so"):
        assert secret not in out
    assert out.count("<secret>") >= 6


def test_words_that_stand_everywhere_are_not_masked() -> None:
    stream = lines("logfmt")
    logs.hide(["postgres", "a", ""])
    logger.info("a postgresql server", extra={"database": "postgres"})
    assert "<secret>" not in stream.getvalue()


def test_level_is_ours_and_libraries_stay_at_warnings() -> None:
    stream = lines("logfmt", level="debug")
    logging.getLogger("urllib3").debug("POST /services/T000/B000")
    logger.debug("ours")
    assert stream.getvalue().count("\n") == 1
    assert "msg=ours" in stream.getvalue()


def test_standard_error_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup(level="info", form="logfmt")
    logger.info("here")
    assert "msg=here" in capsys.readouterr().err
    logs.setup(level="info", form="logfmt", stream=sys.__stderr__)
