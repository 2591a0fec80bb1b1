"""What libpq and psycopg say in several lines is told in one."""

import pytest

from pgwatch.targets.words import one_line

REFUSED = (
    'connection failed: connection to server at "{}", port 5432 failed: Connection refused\n'
    "\tIs the server running on that host and accepting TCP/IP connections?"
)
TOLD = (
    'connection to server at "{}", port 5432 failed: Connection refused'
    " (is the server running on that host and accepting TCP/IP connections?)"
)
SEVERAL = (
    REFUSED.format("10.0.0.2")
    + "\nMultiple connection attempts failed. All failures were:\n"
    + "- host: 'db1', port: '5432', hostaddr: '::1': "
    + REFUSED.format("::1")
    + "\n- host: 'db1', port: None, hostaddr: '10.0.0.2': "
    + REFUSED.format("10.0.0.2")
)


@pytest.mark.parametrize(
    ("message", "told"),
    [
        pytest.param(REFUSED.format("db1"), TOLD.format("db1"), id="a hint of one line"),
        pytest.param(
            "server closed the connection unexpectedly\n"
            "\tThis probably means the server terminated abnormally\n"
            "\tbefore or while processing the request.\n",
            "server closed the connection unexpectedly (this probably means the server terminated"
            " abnormally before or while processing the request)",
            id="a hint of two lines",
        ),
        pytest.param(
            SEVERAL, f"{TOLD.format('::1')}; {TOLD.format('10.0.0.2')}", id="each attempt, once"
        ),
        pytest.param(
            'connection is bad: connection to server on socket "/x" failed: No such file',
            'connection to server on socket "/x" failed: No such file',
            id="psycopg's own beginning",
        ),
        pytest.param("  one\n two ", "one two", id="lines without a hint"),
        pytest.param("", "", id="nothing"),
        pytest.param(
            "failed to resolve host 'x': [Errno -2] Name or service not known",
            "failed to resolve host 'x': [Errno -2] Name or service not known",
            id="psycopg's own words stay",
        ),
    ],
)
def test_messages_become_one_line(message: str, told: str) -> None:
    assert one_line(message) == told
