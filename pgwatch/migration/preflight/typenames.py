"""Which type a name means, or how the server says that there is none. Pure."""

from pgwatch.migration.parse import Node, strings, type_text
from pgwatch.migration.preflight.asking import columns_of
from pgwatch.migration.preflight.extensions import may_bring
from pgwatch.migration.preflight.lookup import user_type
from pgwatch.migration.preflight.stage import CannotTellError, Stage

SERIALS = {
    "serial": "int4",
    "serial4": "int4",
    "bigserial": "int8",
    "serial8": "int8",
    "smallserial": "int2",
    "serial2": "int2",
}


def resolve(stage: Stage, node: Node) -> str:
    """Return the text of a type's name, `%TYPE` resolved; fails where there is no such type."""
    if node.pct_type:
        return _of_column(stage, node)
    text = type_text(node)
    _exists(stage, node, text)
    if node.typmods and user_type(stage, text)[0] is None:
        columns_of(stage, lambda: f"SELECT NULL::{text}")
    return text


def _of_column(stage: Stage, node: Node) -> str:
    *schema, table, column = strings(node.names)
    relation = stage.named(schema[-1] if schema else "", table)
    assert relation is not None
    found = relation.column(column)
    if found is None:
        raise stage.fail("42703", f'column "{column}" of relation "{table}" does not exist')
    return ("SETOF " if node.setof else "") + found.type


def _exists(stage: Stage, node: Node, text: str) -> None:
    *schemas, name = strings(node.names)
    schema = schemas[-1] if schemas else ""
    if schema == "pg_catalog" or (not schema and name in stage.facts.types):
        if name not in stage.facts.types:
            raise stage.fail("42704", f'type "{text}" does not exist')
        return
    if schema and schema not in stage.scene.schemas:
        raise stage.fail("3F000", f'schema "{schema}" does not exist')
    if stage.scene.find_type(schema, name) is not None:
        return
    found = stage.scene.find(schema, name)
    if found is not None and found.kind in "rpvmfc":
        return
    if name.startswith("_") and user_type(stage, name[1:])[0] is not None:
        return
    if stage.is_system(schema, name) or schema == "information_schema":
        return
    if may_bring(stage.scene):
        raise CannotTellError(f"type {text} may come with an extension that is not there yet")
    shown = text.removeprefix("SETOF ").removesuffix("[]")
    raise stage.fail("42704", f'type "{shown}" does not exist')


def serial(node: Node) -> str:
    """Return the integer type behind `serial` and its like, "" for any other type."""
    parts = strings(node.names)
    return SERIALS.get(parts[0], "") if len(parts) == 1 and not node.array_bounds else ""
