"""What a trigger's conditions are, as far as table, event and arguments decide them."""

import pytest

from pgwatch.migration.liveness.guards import UNKNOWN, Known, Value, evaluate

KNOWN: Known = {
    "tg_op": "INSERT",
    "tg_table_name": "house",
    "tg_nargs": 1,
    "tg_argv": ("x",),
    "old": None,
}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("TG_OP = 'INSERT'", True),
        ("tg_op <> 'INSERT'", False),
        ("TG_OP IN ('UPDATE', 'DELETE')", False),
        ("TG_OP NOT IN ('UPDATE', 'DELETE')", True),
        ("TG_OP = ANY (ARRAY['UPDATE', 'INSERT'])", True),
        ("TG_OP = 'UPDATE' AND NEW.price > 1", False),
        ("TG_OP = 'INSERT' AND NEW.price > 1", UNKNOWN),
        ("TG_OP = 'INSERT' OR NEW.price > 1", True),
        ("NOT (TG_OP = 'INSERT')", False),
        ("TG_TABLE_NAME::text = 'house'", True),
        ("lower(TG_OP) = 'insert'", True),
        ("TG_NARGS > 1", False),
        ("TG_ARGV[0] = 'x'", True),
        ("TG_ARGV[1] IS NULL", True),
        ("TG_ARGV[1] = 'y'", None),  # NULL: an IF takes it for false
        ("NOT (TG_ARGV[1] = 'y')", None),
        ("TG_ARGV[1] = 'y' OR TG_OP = 'INSERT'", True),
        ("coalesce(TG_ARGV[1], 'z') = 'z'", True),
        ("OLD IS NULL", True),
        ("NEW IS NULL", UNKNOWN),
        ("TG_OP IS DISTINCT FROM 'UPDATE'", True),
        ("(TG_OP = 'UPDATE') IS NOT TRUE", True),
        ("TG_RELID = 'house'::regclass", UNKNOWN),
        ("EXISTS (SELECT 1 FROM house)", UNKNOWN),
        ("TG_OP = 1", UNKNOWN),
        ("this is no expression", UNKNOWN),
        ("true", True),
    ],
)
def test_condition(expression: str, value: Value) -> None:
    assert evaluate(expression, KNOWN) is value
