"""`${NAME}` in strings of the configuration."""

from pathlib import Path

import pytest

from pgwatch.config.text import interpolate

ENVIRONMENT = {"HOST": "db1", "EMPTY": "", "NESTED": "${HOST}"}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        pytest.param("plain", "plain", id="no reference"),
        pytest.param("${HOST}", "db1", id="whole"),
        pytest.param("a ${HOST}:${PORT:-5432} b", "a db1:5432 b", id="inside, with default"),
        pytest.param("${HOST:-other}", "db1", id="set: default unused"),
        pytest.param("${EMPTY:-other}", "other", id="empty takes the default, as in a shell"),
        pytest.param("[${EMPTY}]", "[]", id="empty without default is empty"),
        pytest.param("${PORT:-}", "", id="empty default"),
        pytest.param("$HOST costs 5$", "$HOST costs 5$", id="a lone dollar is nothing special"),
        pytest.param("$${HOST}", "${HOST}", id="escaped"),
        pytest.param("${NESTED}", "${HOST}", id="a value is not interpolated again"),
    ],
)
def test_interpolation(written: str, expected: str) -> None:
    text = interpolate(written, ENVIRONMENT, Path("/etc"))
    assert text == expected
    assert text.template == written


@pytest.mark.parametrize(
    ("written", "message"),
    [
        pytest.param("${MISSING}", "environment variable MISSING is not set", id="not set"),
        pytest.param("${HOST", "without its }", id="not closed"),
        pytest.param("${}", "does not name", id="no name"),
        pytest.param("${a-b}", "does not name", id="not a variable's name"),
    ],
)
def test_bad_reference(written: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        interpolate(written, ENVIRONMENT, Path("/etc"))


def test_a_string_that_is_one_variable_knows_it() -> None:
    assert interpolate("${HOST}", ENVIRONMENT, Path()).variable == "HOST"
    assert interpolate("x${HOST}", ENVIRONMENT, Path()).variable is None
    assert interpolate("${HOST:-x}", ENVIRONMENT, Path()).variable is None
    assert interpolate("$${", ENVIRONMENT, Path()).variable is None
