"""All migrations in order → the objects that they declare, as the net effect of every statement. Pure."""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from pgwatch.migration.alter import alter_table
from pgwatch.migration.blocks import BlockStatement, parse_block
from pgwatch.migration.called import statements_of_calls
from pgwatch.migration.generic import comment, drop, grant, rename, set_owner, set_schema
from pgwatch.migration.meant import meant_by
from pgwatch.migration.objects import Declarations, Declared, Key, Place, Unverifiable
from pgwatch.migration.parse import Node, UnparsableError, parse_statements, pb
from pgwatch.migration.roles import (
    alter_role,
    create_role,
    drop_role,
    grant_role,
    set_of_role,
)
from pgwatch.migration.routines import (
    alter_function,
    create_function,
    create_table_as,
    create_trigger,
    create_view,
    refresh,
)
from pgwatch.migration.spelling import as_told
from pgwatch.migration.sqlfile import Statement
from pgwatch.migration.state import State
from pgwatch.migration.tables import create_index, create_statistics, create_table
from pgwatch.migration.types import (
    alter_domain,
    alter_enum,
    alter_policy,
    alter_sequence,
    create_composite,
    create_domain,
    create_enum,
    create_extension,
    create_policy,
    create_range,
    create_schema,
    create_sequence,
)

_HANDLERS: dict[str, Callable[[State, Node], None]] = {
    "alter_domain_stmt": alter_domain,
    "alter_enum_stmt": alter_enum,
    "alter_function_stmt": alter_function,
    "alter_object_schema_stmt": set_schema,
    "alter_owner_stmt": set_owner,
    "alter_policy_stmt": alter_policy,
    "alter_role_set_stmt": set_of_role,
    "alter_role_stmt": alter_role,
    "alter_seq_stmt": alter_sequence,
    "alter_table_stmt": alter_table,
    "comment_stmt": comment,
    "composite_type_stmt": create_composite,
    "create_domain_stmt": create_domain,
    "create_enum_stmt": create_enum,
    "create_extension_stmt": create_extension,
    "create_function_stmt": create_function,
    "create_policy_stmt": create_policy,
    "create_range_stmt": create_range,
    "create_role_stmt": create_role,
    "create_schema_stmt": create_schema,
    "create_seq_stmt": create_sequence,
    "create_stats_stmt": create_statistics,
    "create_stmt": create_table,
    "create_table_as_stmt": create_table_as,
    "create_trig_stmt": create_trigger,
    "drop_role_stmt": drop_role,
    "drop_stmt": drop,
    "grant_role_stmt": grant_role,
    "grant_stmt": grant,
    "index_stmt": create_index,
    "refresh_mat_view_stmt": refresh,
    "rename_stmt": rename,
    "view_stmt": create_view,
}
# Where the grammar's node has another name than the statement.
_SPELLED = {
    "alter_stats_stmt": "ALTER STATISTICS",
    "create_op_class_stmt": "CREATE OPERATOR CLASS",
    "create_op_family_stmt": "CREATE OPERATOR FAMILY",
    "define_stmt": "CREATE AGGREGATE, OPERATOR, COLLATION or TEXT SEARCH",
    "rule_stmt": "CREATE RULE",
}
# They change rows or the session, or nothing.
_WITHOUT_OBJECT = frozenset(
    {
        "call_stmt",
        "checkpoint_stmt",
        "constraints_set_stmt",
        "copy_stmt",
        "deallocate_stmt",
        "delete_stmt",
        "discard_stmt",
        "execute_stmt",
        "explain_stmt",
        "insert_stmt",
        "listen_stmt",
        "load_stmt",
        "lock_stmt",
        "merge_stmt",
        "notify_stmt",
        "prepare_stmt",
        "reindex_stmt",
        "select_stmt",
        "truncate_stmt",
        "unlisten_stmt",
        "update_stmt",
        "vacuum_stmt",
        "variable_show_stmt",
    }
)


_MOST_NESTED = 3


def declare(statements: Iterable[tuple[str, Statement]]) -> Declarations:
    """Return what `statements`, (name of the migration, statement) in order, declare together."""
    reader = _Reader()
    count = 0
    files: dict[Path, None] = {}
    for migration, statement in statements:
        count += 1
        files[statement.file] = None
        reader.read(migration, statement)
    state = reader.state
    return Declarations(
        objects=as_told(state.objects.values(), state.schemas),
        unverifiable=tuple(state.unverifiable),
        files=tuple(files),
        statements=count,
        without_object=state.without_object,
        schemas=tuple(state.schemas),
    )


class _Reader:
    """Reads one statement after another, transactions included."""

    def __init__(self) -> None:
        self.state = State()
        self._depth = 0  # of functions that call each other
        self._told: set[str] = set()  # what is said once of a function, however often it is called
        self._saved: list[tuple[str, dict[Key, Declared], list[Unverifiable]]] = []

    def read(self, migration: str, statement: Statement) -> None:
        place = Place(
            migration=migration, file=statement.file, line=statement.line, sql=statement.text
        )
        self.state.at(place)
        if statement.opaque:
            self.state.unknown(statement.opaque)
            return
        try:
            nodes = parse_statements(statement.text)
        except UnparsableError as error:
            meant = meant_by(statement.text)
            if meant is None:
                self.state.unknown(f"it cannot be read: {error}")
                return
            self.state.at(replace(place, sql=meant, refused=str(error)))
            nodes = parse_statements(meant)
        for kind, node in nodes:
            try:
                self._take(kind, node)
            except UnparsableError as error:
                self.state.unknown(f"it cannot be read: {error}")

    def _take(self, kind: str, node: Node) -> None:
        handler = _HANDLERS.get(kind)
        if handler is not None:
            handler(self.state, node)
        elif kind == "transaction_stmt":
            self._transaction(node)
        elif kind == "do_stmt":
            self._block(node)
        elif kind == "variable_set_stmt":
            self.state.without_object += 1
            if node.name == "search_path" and node.args:
                self.state.set_search_path(item.a_const.sval.sval for item in node.args)
        elif kind in _WITHOUT_OBJECT:
            self.state.without_object += 1
            if kind == "select_stmt" and node.HasField("into_clause"):
                self.state.unknown("SELECT INTO is not read; write CREATE TABLE … AS")
            if kind in ("select_stmt", "call_stmt"):
                self._calls(node)
        else:
            name = _SPELLED.get(kind, kind.removesuffix("_stmt").replace("_", " ").upper())
            self.state.unknown(f"what {name} makes is not compared")

    def _transaction(self, node: Node) -> None:
        state = self.state
        kind, name = node.kind, node.savepoint_name
        if kind in (pb.TRANS_STMT_BEGIN, pb.TRANS_STMT_START):
            self._saved = [("", dict(state.objects), list(state.unverifiable))]
        elif kind in (pb.TRANS_STMT_COMMIT, pb.TRANS_STMT_PREPARE):
            self._saved = []
        elif kind == pb.TRANS_STMT_SAVEPOINT:
            self._saved.append((name, dict(state.objects), list(state.unverifiable)))
        elif kind == pb.TRANS_STMT_ROLLBACK and self._saved:
            _, state.objects, state.unverifiable = self._saved[0]
            self._saved = []
        elif kind == pb.TRANS_STMT_ROLLBACK_TO:
            while self._saved:
                saved, objects, unverifiable = self._saved[-1]
                if saved == name:
                    state.objects, state.unverifiable = dict(objects), list(unverifiable)
                    return
                self._saved.pop()

    def _block(self, node: Node) -> None:
        """DO: its statements count where it is certain that their target exists afterwards."""
        options = {item.def_elem.defname: item.def_elem.arg.string.sval for item in node.args}
        if options.get("language", "plpgsql").lower() != "plpgsql":
            self.state.unknown(f"a block in {options['language']} is not read")
            return
        outer = self.state.place
        body = options["as"]
        start = outer.line + outer.sql[: max(0, outer.sql.find(body))].count("\n")
        try:
            statements = parse_block(outer.sql)
        except UnparsableError as error:
            self.state.unknown(f"the block cannot be read: {error}")
            return
        self.state.without_object += not statements
        self._run(statements, outer, start)

    def _calls(self, query: Node) -> None:
        """Take over what functions of the migrations make when they are called."""
        if self._depth >= _MOST_NESTED:
            return
        self._depth += 1
        outer, condition = self.state.place, self.state.condition
        for one in statements_of_calls(self.state, query):
            if one.opaque not in self._told:
                self._run([one], outer, outer.line - one.line + 1)
            if one.opaque:
                self._told.add(one.opaque)
        self.state.at(outer, condition)
        self._depth -= 1

    def _run(self, statements: Iterable[BlockStatement], outer: Place, start: int) -> None:
        """Take statements over that stand in a body, which begins on line `start`."""
        for one in statements:
            sql = re.sub(r"\s*;\s*$", "", one.text)
            place = replace(outer, line=start + one.line - 1, sql=sql or outer.sql)
            self.state.at(place, one.condition)
            if one.opaque:
                self.state.unknown(one.opaque)
                continue
            try:
                for kind, inner in parse_statements(sql):
                    self._take(kind, inner)
            except UnparsableError as error:
                self.state.unknown(f"it cannot be read: {error}")
