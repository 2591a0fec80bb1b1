"""Which rows of an answer are an alert's own, and what of them may be shown."""

from datetime import UTC, datetime

import pytest

from pgwatch.alerts.evidence import evidence_of
from pgwatch.rules.evidence import unknown_evidence
from pgwatch.rules.load import parse_rules
from pgwatch.samples.labels import Labels

NOW = datetime(2026, 8, 1, 3, 0, tzinfo=UTC)
COLUMNS = ("pid", "query", "extra")


def rows(labels: dict[str, str], *answer: tuple[object, ...]) -> tuple[tuple[str, ...], ...]:
    return evidence_of(Labels(labels), "core/x", NOW, COLUMNS, answer).rows


def test_rows_of_the_alert_by_the_labels_that_are_columns() -> None:
    answer = ((1, "a", None), (2, "b", None))
    assert rows({"pid": "2", "target": "db"}, *answer) == (("2", "b"),)


def test_all_rows_where_none_is_its_own() -> None:
    assert rows({"pid": "3"}, (1, "a", 0), (2, "b", 0)) == (("1", "a", "0"), ("2", "b", "0"))


def test_few_rows_and_how_many_more_there_are() -> None:
    evidence = evidence_of(Labels(), "core/x", NOW, COLUMNS, [(i, "a", "") for i in range(9)])
    assert (len(evidence.rows), evidence.omitted) == (5, 4)
    assert evidence.columns == ("pid", "query"), "an empty column is left out"


def test_no_rows_says_so() -> None:
    evidence = evidence_of(Labels(), "core/x", NOW, COLUMNS, [])
    assert (evidence.columns, evidence.rows, evidence.note) == ((), (), "no rows any more")


def test_cells_are_short() -> None:
    ((cell,),) = rows({}, (None, "x" * 5000, None))
    assert len(cell) == 300


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER ROLE ada PASSWORD 'zebra'",
        "ALTER ROLE ada PASSWORD E'zeb\\'ra zebra'",
        "ALTER ROLE ada PASSWORD 'zebra",  # cut in the middle
        "CREATE USER MAPPING … OPTIONS (user 'a', password 'zebra')",
        "SELECT dblink('host=h password=zebra')",
        "COPY t FROM PROGRAM 'curl https://ada:zebra@host/'",
        "SELECT set_password(password => 'zebra')",
    ],
)
def test_passwords_in_statements_are_masked(statement: str) -> None:
    ((cell,),) = rows({}, (None, statement, None))
    assert "zebra" not in cell
    assert "<secret>" in cell


def test_rule_that_names_no_query_is_warned_of() -> None:
    text = """groups:
      - name: g
        rules:
          - {alert: Good, expr: up, annotations: {evidence: core/blocked}}
          - {alert: Bad, expr: up, annotations: {evidence: core/blockt}}
          - {alert: None, expr: up}
    """
    (warning,) = unknown_evidence(parse_rules(text, file="r.yml"), ["core/blocked", "core/locks"])
    assert warning == (
        "r.yml:5: rule Bad names the evidence 'core/blockt', and there is no such query;"
        " did you mean core/blocked?"
    )
