"""Literals beside enums that the server does not have, or has with other labels. Pure."""

from collections.abc import Sequence

from pgwatch.migration.parse import Node, opened, strings, type_text
from pgwatch.migration.preflight.lookup import user_type
from pgwatch.migration.preflight.objects import Relation, Type
from pgwatch.migration.preflight.stage import Stage

_COMPARES = frozenset({"=", "<>", "!=", "<", ">", "<=", ">="})


def check_label(stage: Stage, enum: Type, label: str) -> None:
    """Fail where an enum has no such label, or one that the open transaction adds."""
    if label not in enum.labels:
        raise stage.fail("22P02", f'invalid input value for enum {enum.name}: "{label}"')
    if label in enum.fresh:
        raise stage.fail("55P04", f'unsafe use of new value "{label}" of enum type {enum.name}')


def check_labels(stage: Stage, kind: str, node: Node, read: Sequence[Relation]) -> None:
    """Fail where an expression has an enum beside what is no label of it; `read` has the columns."""
    beside = _Beside(stage, read)
    if kind == "type_cast":
        beside.check(node.arg, beside.named_enum(node.type_name))
    elif kind == "a_expr":
        beside.check_comparison(node)
    elif kind in ("coalesce_expr", "min_max_expr"):
        beside.check_alike(list(node.args))
    elif kind == "case_expr":
        whens = [one.case_when for one in node.args]
        beside.check_alike([*(one.result for one in whens), node.defresult])
        if node.HasField("arg"):
            beside.check_alike([node.arg, *(one.expr for one in whens)])


class _Beside:
    def __init__(self, stage: Stage, read: Sequence[Relation]) -> None:
        self._stage = stage
        self._read = read

    def named_enum(self, node: Node) -> Type | None:
        found, suffix = user_type(self._stage, type_text(node))
        return found if found and found.kind == "e" and not found.live and not suffix else None

    def check(self, node: Node, enum: Type | None) -> None:
        kind, value = opened(node)
        if enum is None or kind != "a_const" or value.WhichOneof("val") != "sval":
            return
        check_label(self._stage, enum, value.sval.sval)

    def check_comparison(self, node: Node) -> None:
        if strings(node.name)[-1:] and strings(node.name)[-1] not in _COMPARES:
            return
        sides = (node.lexpr, node.rexpr)
        for one, other in (sides, sides[::-1]):
            enum = self._enum_of(one)
            if enum is None:
                continue
            other_kind, other_value = opened(other)
            for item in other_value.items if other_kind == "list" else [other]:
                self.check(item, enum)

    def check_alike(self, nodes: Sequence[Node]) -> None:
        """Look at expressions of one type: if that is an enum, literals are its labels."""
        enum = next(filter(None, map(self._enum_of, nodes)), None)
        for one in nodes:
            self.check(one, enum)

    def _enum_of(self, node: Node) -> Type | None:
        kind, value = opened(node)
        if kind == "type_cast":
            return self.named_enum(value.type_name)
        if kind in ("coalesce_expr", "min_max_expr"):
            return next(filter(None, map(self._enum_of, value.args)), None)
        if kind == "case_expr":
            results = [*(one.case_when.result for one in value.args), value.defresult]
            return next(filter(None, map(self._enum_of, results)), None)
        if kind != "column_ref":
            return None
        name = strings(f for f in value.fields if f.HasField("string"))[-1:]
        types = {c.type for r in self._read for c in r.columns if (c.name,) == name}
        if len(types) != 1:
            return None
        found, suffix = user_type(self._stage, types.pop())
        return found if found and found.kind == "e" and not found.live and not suffix else None
