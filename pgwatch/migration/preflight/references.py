"""What a query or an expression names: relations, columns, functions and types of the scene. Pure."""

from collections.abc import Sequence

from pgwatch.migration.extract import walk
from pgwatch.migration.parse import Node, opened, pb, strings
from pgwatch.migration.preflight.lookup import takes, user_type
from pgwatch.migration.preflight.objects import Ref, Relation
from pgwatch.migration.preflight.stage import Stage, qualified

_Scope = list[tuple[str, Relation]]  # alias and relation


def references(stage: Stage, node: Node, known: Sequence[Relation] = ()) -> frozenset[Ref]:
    """Return what `node` names; `known` are the relations over whose rows an expression is."""
    return _Reader(stage, node).read(node, [(one.name, one) for one in known])


class _Reader:
    """Reads one tree; a column is looked for in the innermost query that has it."""

    def __init__(self, stage: Stage, node: Node) -> None:
        self._stage = stage
        self._refs: set[Ref] = set()
        self._ctes = {m.ctename for m in walk(node) if isinstance(m, pb.CommonTableExpr)}

    def read(self, node: Node, scope: _Scope) -> frozenset[Ref]:
        self._refs |= {("relation", one.oid, 0) for _, one in scope}
        self._visit(node, [scope])
        return frozenset(self._refs)

    def _visit(self, message: Node, scopes: list[_Scope]) -> None:
        if isinstance(message, pb.SelectStmt):
            scopes = [
                [pair for item in message.from_clause for pair in self._ranges(item)],
                *scopes,
            ]
        elif isinstance(message, pb.ColumnRef):
            self._column(message, scopes)
        elif isinstance(message, pb.FuncCall):
            self._call(message)
        elif isinstance(message, pb.TypeName):
            made, _ = user_type(self._stage, ".".join(strings(message.names)))
            if made is not None:
                self._refs.add(("type", made.oid, 0))
        for field, value in message.ListFields():
            if field.message_type is not None:
                for item in [value] if hasattr(value, "ListFields") else value:
                    self._visit(item, scopes)

    def _call(self, message: Node) -> None:
        schema, name = qualified(message.funcname)
        found = self._stage.scene.functions_named(schema, name)
        meant = [one for one in found if takes(one, len(message.args))] or found
        self._refs |= {("function", one.oid, 0) for one in meant[:1]}
        if name == "nextval" and message.args:
            kind, constant = opened(message.args[0])
            if kind == "type_cast":
                kind, constant = opened(constant.arg)
            text = constant.sval.sval if kind == "a_const" else ""
            *schemas, sequence = (part.strip('"') for part in text.split("."))
            relation = self._stage.scene.find(schemas[-1] if schemas else "", sequence)
            if relation is not None:
                self._refs.add(("relation", relation.oid, 0))

    def _ranges(self, item: Node) -> _Scope:
        kind, node = opened(item)
        if kind == "join_expr":
            return [*self._ranges(node.larg), *self._ranges(node.rarg)]
        if kind != "range_var" or (node.relname in self._ctes and not node.schemaname):
            return []
        found = self._stage.scene.find(node.schemaname, node.relname)
        if found is None:
            return []
        self._refs.add(("relation", found.oid, 0))
        return [(node.alias.aliasname or node.relname, found)]

    def _column(self, message: Node, scopes: list[_Scope]) -> None:
        parts = strings(field for field in message.fields if field.HasField("string"))
        star = len(parts) < len(message.fields)
        owner = parts[-1] if star and parts else parts[-2] if len(parts) > 1 else ""
        for scope in scopes:
            refs = {
                ("relation", relation.oid, column.number)
                for alias, relation in scope
                if owner in ("", alias)
                for column in relation.columns
                if star or column.name == parts[-1]
            }
            self._refs |= refs
            if refs or (star and not owner):
                return
