"""DO blocks: statements run on the scene, conditions and loops with the server's values. Pure."""

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from pgwatch.migration.parse import Node, UnparsableError, parse_plpgsql, parse_statements
from pgwatch.migration.preflight import dml
from pgwatch.migration.preflight.block_tree import (
    Tree,
    assignment_of,
    below,
    catches,
    only_counts,
    query_of,
    raised_state,
    raises,
)
from pgwatch.migration.preflight.dml_parts import Body
from pgwatch.migration.preflight.evaluate import Variable, rows, value
from pgwatch.migration.preflight.load import normal
from pgwatch.migration.preflight.plain import plain_block
from pgwatch.migration.preflight.stage import CannotTellError, Stage, StatementFailsError, literal
from pgwatch.migration.preflight.standin import NotYetKnownError

_MOST_TURNS = 500  # of a loop
Run = Callable[[Stage, str, Node], None]


class _ReturnError(Exception):
    """RETURN: what follows is not run."""


class _LeaveError(Exception):
    """EXIT or CONTINUE: the rest of the turn is not run."""

    def __init__(self, *, ends: bool) -> None:
        super().__init__()
        self.ends = ends  # the loop, too


def run_block(stage: Stage, node: Node, run: Run) -> None:
    """DO: fails where one of its statements does and no handler catches that.

    `run` takes a statement other than one on rows to the scene.
    """
    options = {item.def_elem.defname: item.def_elem.arg.string.sval for item in node.args}
    language = options.get("language", "plpgsql").lower()
    if language not in stage.facts.languages:
        raise stage.fail("42704", f'language "{language}" does not exist')
    if language != "plpgsql":
        raise CannotTellError(f"a block in {language} is not read")
    try:
        plain = plain_block(stage, node)
    except UnparsableError:
        plain = stage.sql
    try:
        trees = parse_plpgsql(plain)
    except UnparsableError as error:
        if "cannot be read" in str(error):
            raise CannotTellError(str(error)) from None
        raise stage.fail("42601", str(error)) from None
    outer, stage.in_block = stage.in_block, True
    for tree in trees:
        _Block(stage, tree, run).run()
    stage.in_block = outer


class _Block:
    """One block, and the values of its variables."""

    def __init__(self, stage: Stage, tree: Tree, run: Run) -> None:
        self._stage = stage
        self._tree = tree
        self._run = run
        self._variables: dict[str, Variable] = {}
        self._names: dict[int, str] = {}

    def run(self) -> None:
        for number, datum in enumerate(self._tree.get("datums", [])):
            self._declare(number, datum)
        with contextlib.suppress(_ReturnError):
            self._statement(self._tree.get("action", {}))

    def _declare(self, number: int, datum: Tree) -> None:
        kind, facts = next(iter(datum.items()))
        name = facts.get("refname", "").lower()
        if kind not in ("PLpgSQL_var", "PLpgSQL_rec") or not name:
            return
        self._names[number] = name
        declared = facts.get("datatype", {}).get("PLpgSQL_type", {}).get("typname", "")
        type_ = normal(declared) if declared else ""
        variable = Variable(type_, "NULL" if kind == "PLpgSQL_var" else "")
        default = query_of(facts.get("default_val", {}))
        if default:
            variable = self._valued(type_, default)
        self._variables[name] = variable

    def _valued(self, type_: str, text: str) -> Variable:
        try:
            found = value(self._stage, text, self._variables)
        except CannotTellError:
            return Variable(type_, "")
        return Variable(type_, "NULL" if found is None else _typed(found, type_))

    # Statements

    def _all(self, trees: Sequence[Tree]) -> None:
        for tree in trees:
            self._statement(tree)

    def _statement(self, tree: Tree) -> None:
        for kind, node in tree.items():
            handler = getattr(self, "_do_" + kind.removeprefix("PLpgSQL_stmt_").lower(), None)
            if handler is not None:
                handler(node)
            elif kind not in ("PLpgSQL_stmt_open", "PLpgSQL_stmt_close"):
                words = kind.removeprefix("PLpgSQL_stmt_").upper()
                raise CannotTellError(f"what {words} does in the block is known only when it runs")

    def _do_block(self, node: Tree) -> None:
        handlers = node.get("exceptions", {}).get("PLpgSQL_exception_block", {}).get("exc_list", [])
        before = self._stage.scene.copy() if handlers else None
        try:
            self._all(node.get("body", []))
        except StatementFailsError as error:
            if before is None:
                raise
            for handler in handlers:
                exception = handler["PLpgSQL_exception"]
                if catches(exception.get("conditions", []), error.sqlstate):
                    self._stage.scene = before
                    self._variables["sqlerrm"] = Variable("text", literal(str(error)))
                    self._variables["sqlstate"] = Variable("text", literal(error.sqlstate))
                    self._all(exception.get("action", []))
                    return
            raise

    def _do_execsql(self, node: Tree) -> None:
        text = query_of(node.get("sqlstmt", {}))
        if node.get("into"):
            self._into(node, text)
            return
        self._sql(text)

    def _into(self, node: Tree, text: str) -> None:
        self._sql(text)
        target = node.get("target", {})
        try:
            found = rows(self._stage, text, self._variables)
        except CannotTellError:
            found = None
        row = target.get("PLpgSQL_row", {})
        record = target.get("PLpgSQL_rec", {}).get("refname", "").lower()
        if record:
            fields = dict(found[0]) if found else None
            self._variables[record] = Variable("record", "", fields)
        for position, one in enumerate(row.get("fields", [])):
            name = one["name"].lower()
            old = self._variables.get(name, Variable("text"))
            if found is None:
                self._variables[name] = replace(old, sql="")
            else:
                values = list(found[0].values()) if found else []
                sql = values[position].sql if position < len(values) else "NULL"
                self._variables[name] = replace(old, sql=sql)
        known = "" if found is None else "true" if found else "false"
        self._variables["found"] = Variable("bool", known)

    def _do_perform(self, node: Tree) -> None:
        text = query_of(node.get("expr", {}))
        self._sql(text)
        try:
            found = rows(self._stage, text, self._variables)
        except CannotTellError:
            self._variables["found"] = Variable("bool", "")
            return
        self._variables["found"] = Variable("bool", "true" if found else "false")

    def _sql(self, text: str) -> None:
        stage = self._stage
        try:
            statements = parse_statements(text)
        except UnparsableError as error:
            raise stage.fail("42601", str(error)) from None
        for kind, inner in statements:
            if dml.is_dml(kind):
                types = {name: one.type for name, one in self._variables.items() if one.type}
                records = [name for name, one in self._variables.items() if not one.type]
                if any(f"{name}." in text.lower() for name in records):
                    continue
                dml.analyse(stage, kind, inner, Body(parameters=types, runs=True))
            elif kind == "transaction_stmt":
                raise CannotTellError("a transaction ends inside the block")
            else:
                outer, stage.sql = stage.sql, text
                self._run(stage, kind, inner)
                stage.sql = outer

    def _do_dynexecute(self, node: Tree) -> None:
        text = query_of(node.get("query", {}))
        try:
            found = value(self._stage, text, self._variables)
        except CannotTellError as error:
            raise CannotTellError(
                f"EXECUTE puts its statement together when it runs ({error})"
            ) from None
        if found is None:
            raise self._stage.fail("22004", "query string argument of EXECUTE is null")
        if node.get("params") or node.get("into"):
            return
        self._sql(found)

    # Conditions and loops

    def _condition(self, text: str) -> bool:
        return value(self._stage, text, self._variables) == "true"

    def _do_if(self, node: Tree) -> None:
        if self._condition(query_of(node["cond"])):
            self._all(node.get("then_body", []))
            return
        for item in node.get("elsif_list", []):
            branch = item["PLpgSQL_if_elsif"]
            if self._condition(query_of(branch["cond"])):
                self._all(branch.get("stmts", []))
                return
        self._all(node.get("else_body", []))

    def _do_fors(self, node: Tree) -> None:
        text, body = query_of(node["query"]), node.get("body", [])
        try:
            found = rows(self._stage, text, self._variables)
        except CannotTellError:
            self._sql(text)
            if not only_counts(body):
                raise
            self._forget(body)
            return
        record = node.get("var", {}).get("PLpgSQL_rec", {}).get("refname", "").lower()
        names = [
            one["name"].lower()
            for one in node.get("var", {}).get("PLpgSQL_row", {}).get("fields", [])
        ]
        self._turns(node, [self._row(record, names, row) for row in found])

    def _forget(self, trees: Iterable[Tree]) -> None:
        """Take the values of what the statements assign for unknown."""
        for kind, node in below(trees):
            if kind == "PLpgSQL_stmt_assign":
                name, _ = assignment_of(node)
                old = self._variables.get(name)
                if old is not None:
                    self._variables[name] = replace(old, sql="")

    def _row(
        self, record: str, names: Sequence[str], row: Mapping[str, Variable]
    ) -> dict[str, Variable]:
        if record:
            return {record: Variable("record", "", row)}
        values = {}
        for name, one in zip(names, row.values(), strict=False):
            old = self._variables.get(name, one)
            sql = one.sql if not old.type or one.sql == "NULL" else f"({one.sql})::{old.type}"
            values[name] = replace(old, sql=sql)
        return values

    def _turns(self, node: Tree, values: Iterable[Mapping[str, Variable]]) -> None:
        """Run the body for each of `values`, what the loop's variables are."""
        waits = False
        for one in values:
            self._variables.update(one)
            try:
                if not self._turn(node):
                    break
            except NotYetKnownError:
                waits = True  # the questions of all turns go out together
        if waits:
            raise NotYetKnownError

    def _turn(self, node: Tree) -> bool:
        """Run the body once; returns whether the loop goes on."""
        try:
            self._all(node.get("body", []))
        except _LeaveError as leave:
            return not leave.ends
        return True

    def _do_while(self, node: Tree) -> None:
        for _ in range(_MOST_TURNS):
            if "cond" in node and not self._condition(query_of(node["cond"])):
                return
            if not self._turn(node):
                return
        raise CannotTellError(f"a loop of more than {_MOST_TURNS} turns is not followed")

    _do_loop = _do_while

    def _do_exit(self, node: Tree) -> None:
        if "cond" not in node or self._condition(query_of(node["cond"])):
            raise _LeaveError(ends=node.get("is_exit", False))

    def _do_case(self, node: Tree) -> None:
        if "t_varno" in node:
            name = f"__case__variable_{node['t_varno']}__"
            self._variables[name] = self._valued("", query_of(node["t_expr"]))
        for item in node.get("case_when_list", []):
            branch = item["PLpgSQL_case_when"]
            if self._condition(query_of(branch["expr"])):
                self._all(branch.get("stmts", []))
                return
        if not node.get("have_else"):
            raise self._stage.fail("20000", "case not found")
        self._all(node.get("else_stmts", []))

    def _do_assert(self, node: Tree) -> None:
        if not self._condition(query_of(node["cond"])):
            raise self._stage.fail("P0004", "assertion failed")

    def _do_getdiag(self, node: Tree) -> None:
        for item in node.get("diag_items", []):
            name = self._names.get(item["PLpgSQL_diag_item"].get("target", 0), "")
            if name in self._variables:
                self._variables[name] = replace(self._variables[name], sql="")

    def _do_fori(self, node: Tree) -> None:
        bounds = [
            value(self._stage, query_of(node[one]), self._variables) for one in ("lower", "upper")
        ]
        step = (
            value(self._stage, query_of(node["step"]), self._variables) if "step" in node else "1"
        )
        if None in (*bounds, step):
            raise self._stage.fail("22004", "a bound of the FOR loop is null")
        lower, upper, width = (int(one or 0) for one in (*bounds, step))
        numbers = (
            range(lower, upper - 1, -width)
            if node.get("reverse")
            else range(lower, upper + 1, width)
        )
        if len(numbers) > _MOST_TURNS:
            raise CannotTellError(f"a loop of {len(numbers)} turns is not followed")
        name = node["var"]["PLpgSQL_var"]["refname"].lower()
        self._turns(node, [{name: Variable("int4", str(number))} for number in numbers])

    def _do_foreach_a(self, node: Tree) -> None:
        text = query_of(node["expr"])
        found = rows(self._stage, f"SELECT unnest({text}) AS item", self._variables)
        name = self._names.get(node.get("varno", 0), "")
        self._turns(node, [{name: row["item"]} for row in found])

    def _do_assign(self, node: Tree) -> None:
        name, expression = assignment_of(node)
        old = self._variables.get(name)
        if old is not None:
            self._variables[name] = self._valued(old.type or "text", expression)

    def _do_raise(self, node: Tree) -> None:
        if raises(node):
            message = node.get("message", "the block raises an exception")
            raise self._stage.fail(raised_state(node), message)

    def _do_return(self, _: Tree) -> None:
        raise _ReturnError


def _typed(text: str, type_: str) -> str:
    return f"{literal(text)}::{type_}" if type_ else literal(text)
