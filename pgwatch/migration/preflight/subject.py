"""What a statement is about: the kind and the name of a thing. Pure."""

from collections.abc import Callable

from pgwatch.migration.parse import Node, opened, pb, strings

_Subject = tuple[str, str]  # kind, name
_FIELDS = ("relation", "view", "sequence", "typevar", "table")  # that hold the name of a relation
_RELATION_KINDS = {
    "view_stmt": "view",
    "create_seq_stmt": "sequence",
    "alter_seq_stmt": "sequence",
    "refresh_mat_view_stmt": "materialized view",
    "composite_type_stmt": "type",
    "create_policy_stmt": "policy",
}


def subject(kind: str, node: Node) -> _Subject:
    """Return the kind and the name of what a statement is about, as far as it says."""
    relation = _relation(node)
    if relation and kind == "index_stmt":
        return "index", node.idxname or relation
    if relation and kind == "create_trig_stmt":
        return "trigger", f"{relation}.{node.trigname}"
    if relation:
        return _RELATION_KINDS.get(kind, "table"), relation
    if kind in _SUBJECTS:
        return _SUBJECTS[kind](node)
    return kind.removesuffix("_stmt").replace("_", " "), ""


def _relation(node: Node) -> str:
    held = (
        getattr(getattr(node, field), "relname", "")
        for field in _FIELDS
        if field in node.DESCRIPTOR.fields_by_name and node.HasField(field)
    )
    return next(filter(None, held), "")


def _table_as(node: Node) -> _Subject:
    kind = "materialized view" if node.objtype == pb.OBJECT_MATVIEW else "table"
    return kind, node.into.rel.relname


def _function(node: Node) -> _Subject:
    return "function", strings(node.funcname)[-1]


def _type(node: Node) -> _Subject:
    return "type", strings(node.type_name)[-1]


def _domain(node: Node) -> _Subject:
    return "domain", strings(node.domainname)[-1]


def _extension(node: Node) -> _Subject:
    return "extension", node.extname


def _schema(node: Node) -> _Subject:
    return "schema", node.schemaname


def _dropped(node: Node) -> _Subject:
    words = pb.ObjectType.Name(node.remove_type).removeprefix("OBJECT_").lower()
    kind, value = opened(node.objects[0])
    names = {"list": "items", "object_with_args": "objname", "type_name": "names"}
    if kind == "string":
        return words, str(value.sval)
    if kind not in names:
        return words, ""
    parts = strings(getattr(value, names[kind]))
    return words, ".".join(parts) if kind == "list" else parts[-1]


_SUBJECTS: dict[str, Callable[[Node], _Subject]] = {
    "alter_enum_stmt": _type,
    "create_domain_stmt": _domain,
    "create_enum_stmt": _type,
    "create_extension_stmt": _extension,
    "create_function_stmt": _function,
    "create_range_stmt": _type,
    "create_schema_stmt": _schema,
    "create_table_as_stmt": _table_as,
    "drop_stmt": _dropped,
}
