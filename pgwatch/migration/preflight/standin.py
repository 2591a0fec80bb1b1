"""A query over the scene → one that the server can analyse: what it does not have is stood in for. Pure.

A relation becomes `(SELECT NULL::int4 AS id, …)`, unless the database has it just so; a call of a function
that only the migrations make becomes a NULL of its result; an enum that they make or change becomes a
tsvector, the type of the system that is most like one: literals become it, no text does, it is compared.
"""

from collections.abc import Mapping, Sequence

from pgwatch.migration.extract import walk
from pgwatch.migration.parse import (
    Node,
    expression_text,
    opened,
    parse_type,
    pb,
    query_text,
    strings,
    type_text,
)
from pgwatch.migration.preflight.calls import Calls, query_node, value_node
from pgwatch.migration.preflight.groups import complete_groups
from pgwatch.migration.preflight.labels import check_labels
from pgwatch.migration.preflight.lookup import name_parts, user_type
from pgwatch.migration.preflight.objects import Relation, Type
from pgwatch.migration.preflight.oracle import UNKNOWN
from pgwatch.migration.preflight.scene import shown_oid
from pgwatch.migration.preflight.stage import CannotTellError, Stage, quoted

ABSENT = "pgwatch_absent"  # a schema that nobody has
ENUM = "pg_catalog.tsvector"

# Functions whose first argument is a relation's name (regclass).
_OF_RELATIONS = frozenset(
    {
        "nextval",
        "currval",
        "setval",
        "pg_relation_size",
        "pg_total_relation_size",
        "pg_table_size",
        "pg_indexes_size",
        "pg_partition_tree",
        "pg_partition_root",
        "pg_partition_ancestors",
    }
)


class NotYetKnownError(Exception):
    """The question depends on an answer that is still to come."""


class StandIn:
    """Rewrites queries and expressions for one statement of the scene."""

    def __init__(
        self,
        stage: Stage,
        *,
        parameters: Mapping[str, str] | None = None,
        positions: Sequence[str] = (),
        function: str = "",
    ) -> None:
        self._stage = stage
        self._parameters = parameters or {}  # of the function whose body it is: name → type
        self._positions = positions
        self._function = function
        self._calls = Calls(stage, self.type, self._row_type)
        self._ctes: set[str] = set()
        self._read: list[Relation] = []

    @property
    def read(self) -> list[Relation]:
        """The relations of the scene that were named so far."""
        return self._read

    # What is asked

    def query(self, node: Node) -> str:
        """Return a query as SQL; `node` is the Node that holds it."""
        copy = pb.Node()
        copy.CopyFrom(node)
        self._prepare(copy)
        self._visit(copy)
        return query_text(copy)

    def expression(self, node: Node, relation: Relation | None, *aliases: str) -> str:
        """Return `SELECT expression FROM relation`; `aliases` are what its row is called."""
        return self.expressions([node], [(relation, alias) for alias in aliases or ("",)])

    def expressions(
        self, nodes: Sequence[Node], rows: Sequence[tuple[Relation | None, str]]
    ) -> str:
        """Return a query of several expressions over rows of relations."""
        select = pb.SelectStmt(op="SETOP_NONE", limit_option="LIMIT_OPTION_DEFAULT")
        for node in nodes:
            select.target_list.add().res_target.val.CopyFrom(node)
        holder = pb.Node(select_stmt=select)
        self._read += [relation for relation, _ in rows if relation is not None]
        self._prepare(holder)
        self._visit(holder)
        sql = query_text(holder)
        sources = [
            f"{self.source(relation)} AS {quoted(alias or relation.name)}"
            for relation, alias in rows
            if relation is not None
        ]
        return f"{sql} FROM {', '.join(sources)}" if sources else sql

    def text(self, node: Node) -> str:
        """Return one expression as SQL that the server understands."""
        holder = pb.Node()
        holder.CopyFrom(node)
        self._prepare(holder)
        self._one(holder)
        return expression_text(holder)

    def source(self, relation: Relation) -> str:
        """Return what stands for `relation` in a FROM clause."""
        live = self.live_name(relation)
        if live is not None:
            return f"{quoted(live[0])}.{quoted(live[1])}"
        return f"({self.columns_of(relation)})"

    def columns_of(self, relation: Relation) -> str:
        """Return a query with the columns of `relation`, all of them NULL."""
        if relation.unknown:
            raise CannotTellError(relation.unknown)
        if relation.kind == "S":
            return "SELECT NULL::int8 AS last_value, NULL::int8 AS log_cnt, NULL::bool AS is_called"
        parts = [f"NULL::{self.type(one.type)} AS {quoted(one.name)}" for one in relation.columns]
        return "SELECT " + ", ".join(parts)

    def live_name(self, relation: Relation) -> tuple[str, str] | None:
        """Return the database's name of a relation that it has just so, else None."""
        if relation.live is None or relation.altered:
            return None
        for column in relation.columns:
            if not self._is_live(column.type):
                return None
        return relation.live

    # Types

    def type(self, text: str) -> str:
        """Return a type that the server has in the place of `text`."""
        if text == UNKNOWN:
            raise NotYetKnownError
        found, suffix = self._user_type(text)
        if found is None or found.live:
            base = text.removeprefix("SETOF ").removesuffix("[]")
            relation = self._row_type(base)
            if relation is not None and self.live_name(relation) is None:
                if text.endswith("[]"):
                    raise CannotTellError(f"an array of {base}, which is not there yet")
                return "record"
            return text if found or relation else self._known(text)
        if found.kind == "e":
            return ENUM + suffix
        if found.kind in "db" and found.base:
            return self.type(found.base) + suffix
        return "record"

    def _known(self, text: str) -> str:
        """Return a type that the scene has not: one that an earlier statement took away is nobody's."""
        base = text.removeprefix("SETOF ").removesuffix("[]").split("(")[0]
        schema, name = name_parts(base)
        if not schema and name in self._stage.facts.types:
            return text
        before = self._stage.before
        if before.find_type(schema, name) is None and before.find(schema, name) is None:
            return text
        return f"pg_catalog.{quoted(name)}"

    def _is_live(self, text: str) -> bool:
        if text == UNKNOWN:
            raise NotYetKnownError
        found, _ = self._user_type(text)
        return found is None or found.live

    def _user_type(self, text: str) -> tuple[Type | None, str]:
        return user_type(self._stage, text)

    def _row_type(self, text: str) -> Relation | None:
        schema, name = name_parts(text)
        if name in self._stage.facts.types:
            return None
        return self._stage.scene.find(schema, name)

    # Rewriting

    def _prepare(self, node: Node) -> None:
        for message in walk(node):
            if isinstance(message, pb.CommonTableExpr):
                self._ctes.add(message.ctename)
        for message in walk(node):
            if isinstance(message, pb.RangeVar) and not self._is_cte(message):
                found = self._stage.scene.find(message.schemaname, message.relname)
                if found is not None:
                    self._read.append(found)

    def _is_cte(self, message: Node) -> bool:
        return not message.schemaname and message.relname in self._ctes

    def _visit(self, message: Node) -> None:
        if isinstance(message, pb.SelectStmt):
            complete_groups(
                self._stage,
                message,
                is_cte=self._is_cte,
                stands_in=lambda one: self.live_name(one) is None,
            )
            del message.locking_clause[:]
        if isinstance(message, pb.TypeName):
            self._retype(message)
            return
        for field, value in message.ListFields():
            if field.message_type is None:
                continue
            for item in [value] if hasattr(value, "ListFields") else value:
                self._one(item)

    def _one(self, item: Node) -> None:
        if not isinstance(item, pb.Node):
            self._visit(item)
            return
        kind, node = opened(item)
        if kind == "type_cast" and self._reference_cast(item, node):
            return
        if kind == "func_call" and strings(node.funcname)[-1] in _OF_RELATIONS and node.args:
            first, argument = opened(node.args[0])
            if first == "a_const" and argument.WhichOneof("val") == "sval":
                self._replace_reference(node.args[0], argument.sval.sval)
        check_labels(self._stage, kind, node, self._read)
        if kind == "range_function" and self._table_call(item, node):
            return
        if kind == "a_indirection" and self._part_of_call(item, node):
            return
        self._visit(item)
        if kind == "range_var":
            self._replace_relation(item, node)
        elif kind == "func_call":
            self._replace_call(item, node)
        elif kind == "column_ref":
            self._replace_column(item, node)
        elif kind == "param_ref" and 0 < node.number <= len(self._positions):
            self._null(item, self._positions[node.number - 1])

    def _retype(self, message: Node) -> None:
        if message.pct_type:
            return
        text = type_text(message)
        instead = self.type(text)
        if instead != text:
            setof = message.setof
            message.CopyFrom(parse_type(instead))
            message.setof = setof

    def _null(self, item: Node, type_: str) -> None:
        item.CopyFrom(value_node(f"NULL::{self.type(type_)}"))

    def _replace_relation(self, item: Node, node: Node) -> None:
        if self._is_cte(node):
            return
        scene = self._stage.scene
        found = scene.find(node.schemaname, node.relname)
        if found is None:
            self._missing_relation(node)
            return
        if found.kind in "iI":
            raise self._stage.fail("42809", f'cannot open relation "{found.name}"')
        if not node.HasField("alias"):
            node.alias.aliasname = node.relname
        live = self.live_name(found)
        if live is not None:
            node.schemaname, node.relname = live
            return
        alias = pb.Alias()
        alias.CopyFrom(node.alias)
        item.range_subselect.subquery.CopyFrom(query_node(self.columns_of(found)))
        item.range_subselect.alias.CopyFrom(alias)

    def _missing_relation(self, node: Node) -> None:
        """Let the server say when it comes to it that there is no such relation (any more)."""
        if not self._stage.is_system(node.schemaname, node.relname):
            node.schemaname = ABSENT

    def _replace_column(self, item: Node, node: Node) -> None:
        parts = [field.string.sval for field in node.fields if field.HasField("string")]
        if len(parts) != len(node.fields) and len(node.fields) < 3:
            return
        if len(node.fields) == 3 and parts[0] in self._stage.scene.schemas:
            del node.fields[0]
            return
        if len(parts) == 2 and parts[0] == self._function and parts[1] in self._parameters:
            self._null(item, self._parameters[parts[1]])
        elif len(parts) == 2 and parts[0] in self._parameters:
            self._replace_field(item, *parts)
        elif len(parts) == 1 and parts[0] in self._parameters:
            self._replace_parameter(item, parts[0])

    def _replace_parameter(self, item: Node, name: str) -> None:
        """Stand in for a parameter, unless a column of that name is meant."""
        if not any(one.column(name) for one in self._read):
            self._null(item, self._parameters[name])

    def _replace_field(self, item: Node, parameter: str, name: str) -> None:
        """Stand in for a field of a parameter that is a row."""
        if any(one.name == parameter for one in self._read):
            return
        row = self._row_type(self._parameters[parameter])
        column = row.column(name) if row is not None else None
        if column is not None:
            self._null(item, column.type)

    def _replace_call(self, item: Node, node: Node) -> None:
        function = self._calls.called(node)
        if function is not None:
            item.CopyFrom(self._calls.null_call(node, function, function.returns))

    def _part_of_call(self, item: Node, node: Node) -> bool:
        """Stand in for `(f(x)).field` and `(f(x))[1]` of a function that the scene alone has."""
        kind, call = opened(node.arg)
        function = self._calls.called(call) if kind == "func_call" else None
        if function is None:
            return False
        part, value = opened(node.indirection[0])
        relation = self._row_type(function.returns)
        fields = dict(function.outputs)
        if relation is not None:
            fields |= {one.name: one.type for one in relation.columns}
        type_ = fields.get(value.sval) if part == "string" else function.returns.removesuffix("[]")
        if type_ is None or len(node.indirection) > 1:
            raise CannotTellError(f"what {function.name}() gives is not known in its parts")
        self._visit(call)
        item.CopyFrom(self._calls.null_call(call, function, type_))
        return True

    def _table_call(self, item: Node, node: Node) -> bool:
        """Stand in for a call in FROM of a function that the scene alone has."""
        if len(node.functions) != 1 or node.coldeflist:
            return False
        kind, call = opened(node.functions[0].list.items[0])
        function = self._calls.called(call) if kind == "func_call" else None
        if function is None:
            return False
        alias = pb.Alias()
        alias.CopyFrom(node.alias)
        alias.aliasname = alias.aliasname or function.name
        query = query_node(
            self._calls.result(function, alias.aliasname, ordinality=node.ordinality)
        )
        self._visit(call)
        test = query.select_stmt.from_clause.add().range_subselect
        test.alias.aliasname = "pgwatch_call"
        test.subquery.CopyFrom(query_node("SELECT 1"))
        test.subquery.select_stmt.target_list[0].res_target.val.CopyFrom(
            self._calls.null_call(call, function, "text")
        )
        item.range_subselect.lateral = True
        item.range_subselect.subquery.CopyFrom(query)
        item.range_subselect.alias.CopyFrom(alias)
        return True

    def _reference_cast(self, item: Node, node: Node) -> bool:
        """'users'::regclass of what only the scene has becomes its number."""
        name = strings(node.type_name.names)[-1:]
        kind, value = opened(node.arg)
        if name != ("regclass",) or kind != "a_const" or value.WhichOneof("val") != "sval":
            return False
        return self._replace_reference(item, value.sval.sval)

    def _replace_reference(self, item: Node, text: str) -> bool:
        """Put a relation's number in the place of its name; fails where it is not there."""
        parts = [part.strip('"') for part in text.split(".")]
        schema = parts[-2] if len(parts) > 1 else ""
        if self._stage.is_system(schema, parts[-1]):
            return False
        found = self._stage.scene.find(schema, parts[-1])
        if found is None:
            raise self._stage.fail("42P01", f'relation "{text}" does not exist')
        item.CopyFrom(value_node(f"{shown_oid(found.oid)}::oid::regclass"))
        return True
