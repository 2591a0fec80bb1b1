"""Publications and event triggers. Pure."""

from pgwatch.migration.parse import Node, pb
from pgwatch.migration.preflight.stage import CannotTellError, Stage, literal, qualified

_OF_TABLE = pb.PUBLICATIONOBJ_TABLE


def create_publication(stage: Stage, node: Node) -> None:
    """CREATE PUBLICATION: its name and its tables."""
    _check_tables(stage, node)
    if node.pubname in stage.scene.publications:
        reason = f'publication "{node.pubname}" already exists'
        raise stage.fail("42710", reason, harmless=True)
    stage.scene.publications = stage.scene.publications | {node.pubname}


def alter_publication(stage: Stage, node: Node) -> None:
    """ALTER PUBLICATION: whether it and its tables are there."""
    if node.pubname not in stage.scene.publications:
        raise stage.fail("42704", f'publication "{node.pubname}" does not exist')
    _check_tables(stage, node)


def drop_publication(stage: Stage, names: tuple[str, ...], node: Node) -> None:
    """DROP PUBLICATION."""
    for name in names:
        if name not in stage.scene.publications and not node.missing_ok:
            raise stage.fail("42704", f'publication "{name}" does not exist', harmless=True)
    stage.scene.publications = stage.scene.publications - set(names)


def _check_tables(stage: Stage, node: Node) -> None:
    for item in node.pubobjects:
        if item.publication_obj_spec.pubobjtype == _OF_TABLE:
            relation = stage.relation(item.publication_obj_spec.pubtable.relation)
            if relation is not None and relation.kind not in "rp":
                raise stage.fail("22023", f'cannot add relation "{relation.name}" to publication')


def create_event_trigger(stage: Stage, node: Node) -> None:
    """CREATE EVENT TRIGGER: its function."""
    schema, name = qualified(node.funcname)
    found = [one for one in stage.scene.functions_named(schema, name) if not one.arguments]
    if not found and name not in stage.facts.functions:
        raise stage.fail("42883", f"function {name}() does not exist")
    if found and found[0].returns != "event_trigger":
        raise stage.fail("42P17", f"function {name} must return type event_trigger")
    there = stage.oracle.value(
        f"SELECT EXISTS (SELECT FROM pg_catalog.pg_event_trigger WHERE evtname = {literal(node.trigname)})"  # noqa: S608 - quoted
    )
    if there is True:
        raise CannotTellError(
            f"event trigger {node.trigname} is there, and whether a statement drops it is not looked at"
        )
