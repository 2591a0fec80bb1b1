"""Where the walk is: the scene, the server's facts, and how a statement fails. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from pgwatch.errors import PgwatchError
from pgwatch.migration.parse import Node, strings
from pgwatch.migration.preflight.facts import Facts
from pgwatch.migration.preflight.objects import Column, Relation
from pgwatch.migration.preflight.oracle import Oracle, Refusal
from pgwatch.migration.preflight.row_question import RowAnswer, RowQuestion, RowRule
from pgwatch.migration.preflight.scene import Scene


class StatementFailsError(PgwatchError):
    """The server would raise here."""

    def __init__(
        self,
        sqlstate: str,
        reason: str,
        *,
        harmless: bool = False,
        examples: tuple[str, ...] = (),
        rows: bool = False,
    ) -> None:
        super().__init__(reason)
        self.sqlstate = sqlstate
        self.harmless = harmless
        self.examples = examples
        self.rows = rows  # rows are in the way
        self.leaves: Scene | None = None  # what is there afterwards, if not what was before


class CannotTellError(PgwatchError):
    """Whether the server would raise cannot be known; the statement is taken to work."""


@dataclass(slots=True, kw_only=True)
class Stage:
    """What a statement sees and changes."""

    scene: Scene
    before: Scene  # the database as it is
    facts: Facts
    oracle: Oracle
    sql: str = ""  # the statement
    in_transaction: bool = False
    in_block: bool = False  # in a DO block, where some statements cannot run
    waiting: list[tuple[RowQuestion, Relation, str]] | None = (
        None  # rules for the end of an ALTER TABLE
    )
    notes: list[str] = field(default_factory=list)  # why something could not be told

    def fail(self, sqlstate: str, reason: str, *, harmless: bool = False) -> StatementFailsError:
        """Return the error to raise."""
        return StatementFailsError(sqlstate, reason, harmless=harmless)

    def note(self, reason: str) -> None:
        """Say that part of the statement could not be told."""
        if reason not in self.notes:
            self.notes.append(reason)

    # Names

    def relation(self, node: Node, *, missing_ok: bool = False) -> Relation | None:
        """Return the relation of a RangeVar; fails where it is not there, unless `missing_ok`."""
        return self.named(node.schemaname, node.relname, missing_ok=missing_ok)

    def named(self, schema: str, name: str, *, missing_ok: bool = False) -> Relation | None:
        """Return a relation by its name."""
        found = self.scene.find(schema, name)
        if found is not None:
            return found
        if schema and schema not in self.scene.schemas:
            if missing_ok:
                return None
            raise self.fail("3F000", f'schema "{schema}" does not exist')
        if self.is_system(schema, name):
            raise CannotTellError(f"{name} is a relation of the system")
        if missing_ok:
            return None
        shown = f"{schema}.{name}" if schema else name
        raise self.fail("42P01", f'relation "{shown}" does not exist')

    def is_system(self, schema: str, name: str) -> bool:
        """Return whether the name means a relation of the system."""
        return (schema or "pg_catalog", name) in self.facts.relations

    def table(self, node: Node, kinds: str = "rpf", *, missing_ok: bool = False) -> Relation | None:
        """Return a relation of one of `kinds`; fails with 42809 for another."""
        found = self.relation(node, missing_ok=missing_ok)
        if found is not None and found.kind not in kinds:
            raise self.fail("42809", f'"{found.name}" is not a table')
        return found

    def column(self, table: Relation, name: str) -> Column:
        """Return a column; fails with 42703 where it is not there."""
        found = table.column(name)
        if found is None:
            raise self.fail("42703", f'column "{name}" of relation "{table.name}" does not exist')
        return found

    def place(self, schema: str) -> str:
        """Return the schema in which something is created; fails where it is not there."""
        if schema:
            if schema not in self.scene.schemas:
                raise self.fail("3F000", f'schema "{schema}" does not exist')
            return schema
        found = self.scene.creation_schema()
        if not found:
            raise self.fail("3F000", "no schema has been selected to create in")
        return found

    def role(self, node: Node) -> None:
        """Fail where a role is not there."""
        name = node.rolename
        if name and name not in self.scene.roles:
            raise self.fail("42704", f'role "{name}" does not exist')

    def needs_no_block(self, what: str) -> None:
        """Fail where a transaction is open: the statement has transactions of its own."""
        if self.in_block:
            raise self.fail("25001", f"{what} cannot be executed from a function")
        if self.in_transaction:
            raise self.fail("25001", f"{what} cannot run inside a transaction block")

    # Rows

    def breaks_later(self, question: RowQuestion, table: Relation, message: str) -> None:
        """Fail where rows break a rule, once all commands of an ALTER TABLE are done."""
        if self.waiting is None:
            self.breaks(question, table, message)
        else:
            self.waiting.append((question, table, message))

    def breaks(self, question: RowQuestion, table: Relation, message: str) -> None:
        """Fail where rows of `table` break a rule."""
        answer = self.oracle.rows(question)
        if answer is None:
            return
        if isinstance(answer, Refusal):
            # A label that an earlier statement adds is none of the database's yet.
            if answer.ours or answer.message.startswith("invalid input value for enum"):
                self.note(f"the rows of {table.name} could not be looked at: {answer.message}")
                return
            raise StatementFailsError(answer.sqlstate, answer.message, rows=True)
        self._judge_rows(answer, question, table, message)

    def _judge_rows(
        self, answer: RowAnswer, question: RowQuestion, table: Relation, message: str
    ) -> None:
        if not answer.count:
            if answer.sampled:
                self.note(f"only a sample of {table.name} was looked at; none of it is in the way")
            return
        if _is_doubtful(question, table):
            self.note(
                f"rows of {table.name} are in the way now, and an earlier statement changes rows"
                f" ({'; '.join(answer.examples)})"
            )
            return
        some = f"{'at least ' if answer.at_least else ''}{answer.count}"
        where = " of a sample" if answer.sampled else ""
        raise StatementFailsError(
            answer.sqlstate or question.sqlstate,
            f"{message} ({some} {'row' if answer.count == 1 else 'rows'}{where})",
            examples=answer.examples,
            rows=True,
        )


def _is_doubtful(question: RowQuestion, table: Relation) -> bool:
    """Return whether an earlier statement may take the rows out of the way that are in it now."""
    if table.emptied:
        return True
    whole = question.rule in (RowRule.FOREIGN_KEY, RowRule.CAST)
    if whole and table.gone:
        return True
    numbers = table.doubtful | ({number for number, _ in table.values} if whole else set())
    names = {one.live for one in table.columns if one.number in numbers and one.live}
    text = " ".join((question.expression, *question.keys))
    return bool(names & {*question.columns, *re.findall(r"\w+", text)})


def qualified(names: Iterable[Node]) -> tuple[str, str]:
    """Return (schema or "", name) of a list of name parts."""
    *schema, name = strings(names)
    return (schema[-1] if schema else "", name)


def quoted(name: str) -> str:
    """Return a name as an identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as a literal."""
    return "'" + text.replace("'", "''") + "'"
