"""The ways through a PL/pgSQL body for one caller: which statements can be reached, and under what. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pgwatch.migration.liveness.collect import Collector
from pgwatch.migration.liveness.guards import UNKNOWN, evaluate
from pgwatch.migration.liveness.tree import (
    CAUGHT,
    ERROR,
    Tree,
    blocks_in,
    exits,
    handlers_of,
    query_of,
    split_assignment,
    swallowed,
)
from pgwatch.migration.liveness.variables import Variable


class Walk(Collector):
    """One walk through a body; `pieces` are in the order in which they stand."""

    def run(self) -> None:
        """Walk twice: first to learn which queries fill the records, then to collect the pieces."""
        start, known = self._scope, dict(self._known)
        self._walk_all()
        shapes = self._shapes
        self.pieces, self.leaves, self._block, self._shapes = [], [], 0, {}
        self._returns, self._constants, self._known = False, True, known
        self._filled = {
            key: found[0]
            for key, found in shapes.items()
            if len({shape.sql if shape else None for shape in found}) == 1
        }
        self._scope = start
        if self._walk_all() and self._body.needs_return and not self._returns:
            self._add("end", "", 0)

    def _walk_all(self) -> bool:
        action = self._body.tree.get("action", {})
        return self._statements([action])

    def _statements(self, nodes: Iterable[Tree]) -> bool:
        """Walk through `nodes`; returns whether what stands behind them can be reached."""
        reached = True
        for node in nodes:
            for kind, statement in node.items():
                if not reached:
                    self._skip(statement)  # its blocks count
                    continue
                handler = _HANDLERS.get(kind)
                if handler is not None:
                    reached = handler(self, statement)
        return reached

    def _skip(self, node: Any) -> None:
        self._block += blocks_in(node)

    # Blocks

    def block(self, node: Tree) -> bool:
        """DECLARE … BEGIN … EXCEPTION … END."""
        self._block += 1
        number = self._block
        outer, caught = self._scope, self._caught
        variables = {
            name: self._with_shape(number, variable)
            for name, variable in self._body.variables.get(number, {}).items()
        }
        declared = [one for one in self._body.declarations if one.block + 1 == number]
        self._scope = outer.inside(node.get("label", "").lower(), variables)
        for one in declared:
            if one.type:
                self._add("type", one.type, one.line)
            if one.default and self._constants and one.name not in self._assigned:
                self._known[one.name] = evaluate(one.default, self._known)
            if one.default:
                self._add("expression", one.default, one.line)
                self._add("literal", f"{one.name} := {one.default}", one.line)
        handlers = handlers_of(node)
        if handlers:
            self._caught = (*caught, tuple(swallowed(handlers)))
        reached = self._statements(node.get("body", []))
        self._caught = caught
        handled = False
        for handler in handlers:
            inner = self._scope
            texts = {n: Variable(name=n, sql="NULL::text") for n in ("sqlstate", "sqlerrm")}
            self._scope = inner.inside("", texts)
            handled = self._branch(handler.get("action", []), CAUGHT) or handled
            self._scope = inner
        if handled and not reached:
            self._conditions = (*self._conditions, CAUGHT)  # up to the end of the branch
        self._scope = outer
        return reached or handled

    def _with_shape(self, block: int, variable: Variable) -> Variable:
        shape = self._filled.get((block, variable.name))
        return replace(variable, shape=shape) if shape and not variable.sql else variable

    def _branch(self, nodes: Iterable[Tree], condition: str) -> bool:
        outer = self._conditions
        if condition:
            self._conditions = (*outer, " ".join(condition.split()))
        reached = self._statements(nodes)
        self._conditions = outer
        return reached

    # Branches

    def if_(self, node: Tree) -> bool:
        """IF … ELSIF … ELSE."""
        branches = [(node.get("cond"), node.get("then_body", []), node.get("lineno", 0))]
        for one in node.get("elsif_list", []):
            elsif = one["PLpgSQL_if_elsif"]
            branches.append((elsif.get("cond"), elsif.get("stmts", []), elsif.get("lineno", 0)))
        return self._branches(branches, node.get("else_body", []), has_else=True)

    def case(self, node: Tree) -> bool:
        """CASE, also the one that compares."""
        line = node.get("lineno", 0)
        if "t_expr" in node:
            subject = self._expression(node["t_expr"], line)
            datum = self._datums[node.get("t_varno", 0)]
            self._cases[datum["PLpgSQL_var"]["refname"]] = subject
        whens = [one["PLpgSQL_case_when"] for one in node.get("case_when_list", [])]
        branches = [(w.get("expr"), w.get("stmts", []), w.get("lineno", line)) for w in whens]
        return self._branches(branches, node.get("else_stmts", []), has_else=True)

    def _branches(
        self,
        branches: Sequence[tuple[Any, Sequence[Tree], int]],
        other: Sequence[Tree],
        *,
        has_else: bool,
    ) -> bool:
        reached, possible = False, True
        denied = ""
        for condition, body, line in branches:
            if not possible:
                self._skip(body)
                continue
            sql = self._expression(condition, line)
            value = evaluate(sql, self._known)
            if value is UNKNOWN:
                reached = self._branch(body, sql) or reached
                denied = denied or sql
            elif value is True:
                possible = False
                reached = self._branch(body, f"NOT ({denied})" if denied else "") or reached
            else:
                self._skip(body)
        if not possible:
            self._skip(other)
            return reached
        return self._branch(other, f"NOT ({denied})" if denied else "") or reached or not has_else

    # Loops

    def loop(self, node: Tree) -> bool:
        """LOOP without a condition: left by EXIT only."""
        self._statements(node.get("body", []))
        return exits(node.get("body", []))

    def while_(self, node: Tree) -> bool:
        """WHILE."""
        sql = self._expression(node.get("cond"), node.get("lineno", 0))
        value = evaluate(sql, self._known)
        if value is UNKNOWN or value is True:
            self._branch(node.get("body", []), sql if value is UNKNOWN else "")
        else:
            self._skip(node.get("body", []))
        return value is not True or exits(node.get("body", []))

    def fori(self, node: Tree) -> bool:
        """FOR i IN a..b."""
        line = node.get("lineno", 0)
        first, last, _ = (self._expression(node.get(p), line) for p in ("lower", "upper", "step"))
        name = node["var"]["PLpgSQL_var"]["refname"]
        begin, end = evaluate(first, self._known), evaluate(last, self._known)
        if node.get("reverse"):
            begin, end = end, begin
        once = isinstance(begin, int) and isinstance(end, int) and begin <= end
        reached = self._looped(node, {name: Variable(name=name, sql="NULL::integer")}, "")
        return reached or not once or "PLpgSQL_stmt_exit" in str(node.get("body", []))

    def fors(self, node: Tree) -> bool:
        """FOR row IN query."""
        line = node.get("lineno", 0)
        sql = self._expression(node.get("query"), line, "statement_into")
        self._target(node.get("var"), line, sql)
        self._looped(node, {}, "its loop has a row")
        return True

    def forc(self, node: Tree) -> bool:
        """FOR row IN cursor."""
        name = node["var"].get("PLpgSQL_rec", {}).get("refname", "")
        row = Variable(name=name, shape=self._cursor(node.get("curvar", 0), node))
        self._looped(node, {name: row}, "its loop has a row")
        return True

    def dynfors(self, node: Tree) -> bool:
        """FOR row IN EXECUTE text."""
        self.dynexecute(node)
        self._looped(node, {}, "its loop has a row")
        return True

    def foreach(self, node: Tree) -> bool:
        """FOREACH element IN ARRAY."""
        self._expression(node.get("expr"), node.get("lineno", 0))
        self._filled_by(self._datum(node), None)
        self._looped(node, {}, "its loop has an element")
        return True

    def _looped(self, node: Tree, variables: Mapping[str, Variable], condition: str) -> bool:
        outer = self._scope
        self._scope = outer.inside(node.get("label", "").lower(), variables)
        reached = self._branch(node.get("body", []), condition)
        self._scope = outer
        return reached

    def exit(self, node: Tree) -> bool:
        """EXIT and CONTINUE."""
        sql = self._expression(node.get("cond"), node.get("lineno", 0))
        self.leaves.append(len(self.pieces))
        return bool(sql) and evaluate(sql, self._known) is not True

    def return_(self, node: Tree) -> bool:
        """RETURN; the parser adds one without a line at the end."""
        line = node.get("lineno", 0)
        if not line:
            return True
        self._returns = True
        self._expression(node.get("expr"), line)
        self.leaves.append(len(self.pieces))
        return False

    # Statements

    def assign(self, node: Tree) -> bool:
        """Take an assignment apart."""
        line = node.get("lineno", 0)
        target, value = split_assignment(query_of(node.get("expr")))
        self._add("target", target, line)
        if value:
            self._add("expression", value, line)
            self._add("literal", f"{target} := {value}", line)
        self._filled_by(self._datum(node), None)
        return True

    def execsql(self, node: Tree) -> bool:
        """Take SQL that is run as it stands."""
        line = node.get("lineno", 0)
        sql = query_of(node.get("sqlstmt"))
        into = bool(node.get("into"))
        self._expression(node.get("sqlstmt"), line, "statement_into" if into else "statement")
        if into:
            self._target(node.get("target"), line, sql)
        return True

    def perform(self, node: Tree) -> bool:
        """PERFORM; its text is that of a SELECT."""
        self._expression(node.get("expr"), node.get("lineno", 0), "statement_into")
        return True

    def call(self, node: Tree) -> bool:
        """CALL, and DO inside a body."""
        self._expression(node.get("expr"), node.get("lineno", 0), "call")
        return True

    def return_query(self, node: Tree) -> bool:
        """RETURN QUERY, also of EXECUTE."""
        self._returns = True
        line = node.get("lineno", 0)
        if "dynquery" in node:
            self.dynexecute({**node, "query": node["dynquery"]})
        else:
            self._expression(node.get("query"), line, "query")
        return True

    def return_next(self, node: Tree) -> bool:
        """RETURN NEXT."""
        self._returns = True
        self._expression(node.get("expr"), node.get("lineno", 0))
        return True

    def raise_(self, node: Tree) -> bool:
        """RAISE; from EXCEPTION upwards nothing behind it is reached."""
        line = node.get("lineno", 0)
        for parameter in node.get("params", []):
            self._expression(parameter, line)
        for option in node.get("options", []):
            self._expression(option["PLpgSQL_raise_option"].get("expr"), line)
        return int(node.get("elog_level", ERROR)) < ERROR

    def assert_(self, node: Tree) -> bool:
        """ASSERT."""
        self._expression(node.get("cond"), node.get("lineno", 0))
        self._expression(node.get("message"), node.get("lineno", 0))
        return True

    def dynexecute(self, node: Tree) -> bool:
        """EXECUTE: the text is an expression; a literal is as good as a statement."""
        line = node.get("lineno", 0)
        text = self._expression(node.get("query"), line)
        for parameter in node.get("params", []):
            self._expression(parameter, line)
        self._add(
            "dynamic", text, line, into=bool(node.get("into")), loose=bool(node.get("params"))
        )
        if "target" in node:
            self._target(node["target"], line, "")
        return True

    def open(self, node: Tree) -> bool:
        """OPEN of a cursor."""
        line = node.get("lineno", 0)
        if "dynquery" in node:
            self.dynexecute({**node, "query": node["dynquery"]})
        else:
            self._expression(node.get("query"), line, "statement_into")
        self._cursor(node.get("curvar", 0), node)
        return True

    def fetch(self, node: Tree) -> bool:
        """FETCH from a cursor."""
        line = node.get("lineno", 0)
        datum = self._datums[node.get("curvar", 0)].get("PLpgSQL_var", {})
        sql = query_of(datum.get("cursor_explicit_expr"))
        self._target(
            node.get("target"), line, "", sql and self._cursor(node.get("curvar", 0), node)
        )
        return True

    def getdiag(self, node: Tree) -> bool:
        """GET DIAGNOSTICS."""
        for item in node.get("diag_items", []):
            datum = self._datums[item["PLpgSQL_diag_item"].get("target", 0)]
            self._target(datum, node.get("lineno", 0), "")
        return True


_HANDLERS = {
    "PLpgSQL_stmt_block": Walk.block,
    "PLpgSQL_stmt_if": Walk.if_,
    "PLpgSQL_stmt_case": Walk.case,
    "PLpgSQL_stmt_loop": Walk.loop,
    "PLpgSQL_stmt_while": Walk.while_,
    "PLpgSQL_stmt_fori": Walk.fori,
    "PLpgSQL_stmt_fors": Walk.fors,
    "PLpgSQL_stmt_forc": Walk.forc,
    "PLpgSQL_stmt_dynfors": Walk.dynfors,
    "PLpgSQL_stmt_foreach_a": Walk.foreach,
    "PLpgSQL_stmt_exit": Walk.exit,
    "PLpgSQL_stmt_return": Walk.return_,
    "PLpgSQL_stmt_assign": Walk.assign,
    "PLpgSQL_stmt_execsql": Walk.execsql,
    "PLpgSQL_stmt_perform": Walk.perform,
    "PLpgSQL_stmt_call": Walk.call,
    "PLpgSQL_stmt_return_query": Walk.return_query,
    "PLpgSQL_stmt_return_next": Walk.return_next,
    "PLpgSQL_stmt_raise": Walk.raise_,
    "PLpgSQL_stmt_assert": Walk.assert_,
    "PLpgSQL_stmt_dynexecute": Walk.dynexecute,
    "PLpgSQL_stmt_open": Walk.open,
    "PLpgSQL_stmt_fetch": Walk.fetch,
    "PLpgSQL_stmt_getdiag": Walk.getdiag,
}
