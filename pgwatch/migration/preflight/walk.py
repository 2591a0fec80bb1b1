"""Passes over the statements of migrations, each with the answers of the server that are there by then. Pure.

psql's ways: every statement for itself unless a transaction is open, in which a failure ends all that
follows up to its end; every file in a session of its own.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from pgwatch.migration.parse import Node, UnparsableError, parse_statements, pb
from pgwatch.migration.preflight.facts import Facts
from pgwatch.migration.preflight.oracle import Oracle
from pgwatch.migration.preflight.possible import made_by_calls, made_in, may_be_there
from pgwatch.migration.preflight.prediction import Prediction, Trouble
from pgwatch.migration.preflight.scene import Scene
from pgwatch.migration.preflight.stage import CannotTellError, Stage, StatementFailsError
from pgwatch.migration.preflight.standin import NotYetKnownError
from pgwatch.migration.preflight.statement import run
from pgwatch.migration.preflight.subject import subject
from pgwatch.migration.sqlfile import Statement

# psql 15.20 and 18.6 skip the data, 17.10 does not.
_DATA_LEFT = "; some releases of psql then take the lines of data for statements"
_CALLS = ("select_stmt", "call_stmt", "do_stmt")  # of functions, which do more than give values
_LABELS_COME_WITH = ("alter_enum_stmt", "do_stmt", "transaction_stmt")
_ABORTED = "current transaction is aborted, commands ignored until end of transaction block"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """A statement of a migration and its trees, or why it has none."""

    statement: Statement
    migration: str
    nodes: tuple[tuple[str, Node], ...] = ()
    error: str = ""


def parse(statement: Statement, migration: str) -> Parsed:
    """Return a statement with its trees, or why it cannot be read."""
    if statement.opaque:
        return Parsed(statement=statement, migration=migration, error=statement.opaque)
    try:
        nodes = tuple(parse_statements(statement.text))
    except UnparsableError as error:
        return Parsed(statement=statement, migration=migration, error=str(error))
    return Parsed(statement=statement, migration=migration, nodes=nodes)


@dataclass(slots=True)
class _Transaction:
    """An open transaction: what comes back when it is rolled back."""

    before: Scene
    failed: bool = False
    savepoints: list[tuple[str, Scene]] = field(default_factory=list)

    def copy(self) -> "_Transaction":
        return _Transaction(self.before, self.failed, self.savepoints[:])


@dataclass(slots=True, kw_only=True)
class _Mark:
    """Up to where all answers are there, so that the next pass need not begin before it."""

    position: int
    scene: Scene
    transaction: _Transaction | None
    found: int  # predictions up to there


class Walk:
    """Passes over all statements, each with the answers that there are by then."""

    def __init__(
        self, scene: Scene, facts: Facts, oracle: Oracle, files: Iterable[Sequence[Parsed]]
    ) -> None:
        self._before = scene
        self._scene = scene.copy()
        self._facts = facts
        self._oracle = oracle
        self._steps: list[Parsed | None] = []  # None: the file ends
        for statements in files:
            self._steps += [*statements, None]
        self._transaction: _Transaction | None = None
        self._found: list[Prediction] = []
        self._position = 0
        self._possible: dict[int, frozenset[str]] = {}  # what a step may make, unknown to the scene
        self._mark = self._marked(0)

    def run(self) -> list[Prediction]:
        """Return the predictions; not all of them hold while questions are open."""
        mark = self._mark
        self._scene, self._found = mark.scene.copy(), self._found[: mark.found]
        self._transaction = mark.transaction and mark.transaction.copy()
        position = mark.position
        while position < len(self._steps):
            step = self._steps[position]
            self._position = position
            start = None if self._oracle.open else self._starting(position)
            position += 1
            if step is None:
                self._end_session()
            elif not self._one(step) and step.statement.stops:
                position = self._steps.index(None, position)
            if start is not None and self._oracle.open:
                start.scene = start.scene.as_before()
                self._mark = start
        return self._found

    def _starting(self, position: int) -> _Mark:
        """Return where a step begins, with the scene that notes what the step changes."""
        self._scene.watch(anew=True)
        return _Mark(
            position=position,
            scene=self._scene,
            transaction=self._transaction and self._transaction.copy(),
            found=len(self._found),
        )

    def _marked(self, position: int) -> _Mark:
        return _Mark(
            position=position,
            scene=self._scene.copy(),
            transaction=self._transaction and self._transaction.copy(),
            found=len(self._found),
        )

    def _end_session(self) -> None:
        if self._transaction is not None:
            self._scene = self._transaction.before
            self._transaction = None
        scene = self._scene = self._scene.copy()
        scene.path, scene.prepared = self._before.path, frozenset()
        for name in list(scene.settings):
            del scene.settings[name]
        for relation in [one for one in scene.relations.values() if one.schema == "pg_temp"]:
            scene.relations.pop(relation.oid)
            scene.relation_names.pop(("pg_temp", relation.name), None)
        scene.schemas.pop("pg_temp", None)

    def _one(self, parsed: Parsed) -> bool:
        """Take one statement; returns whether it works, as far as can be told."""
        if not parsed.nodes:
            return self._unread(parsed)
        return all(self._node(parsed, kind, node) for kind, node in parsed.nodes)

    def _unread(self, parsed: Parsed) -> bool:
        if parsed.statement.opaque:
            self._tell(parsed, Trouble.UNVERIFIABLE, parsed.error)
            return True
        shape = self._oracle.shape(parsed.statement.text)
        if shape is None or shape.sqlstate != "42601":
            if shape is not None:
                self._tell(parsed, Trouble.UNVERIFIABLE, f"it cannot be read: {parsed.error}")
            return True
        self._tell(parsed, Trouble.WILL_FAIL, shape.message, sqlstate=shape.sqlstate)
        if self._transaction is not None:
            self._transaction.failed = True
        return False

    def _node(self, parsed: Parsed, kind: str, node: Node) -> bool:
        if kind == "transaction_stmt":
            return self._transact(parsed, node)
        if self._transaction is not None and self._transaction.failed:
            self._tell(parsed, Trouble.WILL_FAIL, _ABORTED, sqlstate="25P02")
            return False
        scene, point = self._scene, self._scene.watch()
        stage = Stage(
            scene=scene,
            before=self._before,
            facts=self._facts,
            oracle=self._oracle,
            sql=parsed.statement.text,
            in_transaction=self._transaction is not None,
        )
        try:
            self._check_syntax(stage, parsed, kind)
            run(stage, kind, node)
        except StatementFailsError as error:
            if error.leaves is None:
                scene.undo(point)
            self._scene = error.leaves or scene
            if self._may_work(parsed, error, kind, node):
                return True
            self._fails(parsed, error, kind, node)
            return False
        except CannotTellError as error:
            stage.note(str(error))
        except NotYetKnownError:
            pass
        except Exception as error:  # noqa: BLE001 - a kind of statement that nobody tried must not cost the rest
            scene.undo(point)
            self._tell(parsed, Trouble.UNVERIFIABLE, f"pgwatch cannot follow it: {error!r}")
            return True
        self._scene = stage.scene
        self._note_possible(parsed, kind, stage)
        self._track_types(kind)
        for reason in stage.notes:
            self._tell(parsed, Trouble.UNVERIFIABLE, reason, kind=kind, node=node)
        return True

    def _note_possible(self, parsed: Parsed, kind: str, stage: Stage) -> None:
        """Note what the statement may make without the scene's knowing."""
        text = parsed.statement.text
        found = made_in(text) if stage.notes else frozenset()
        if kind in _CALLS:
            found |= made_by_calls(text, stage.scene)
        self._possible[self._position] = found

    def _may_work(self, parsed: Parsed, error: StatementFailsError, kind: str, node: Node) -> bool:
        """Return whether an earlier statement that nobody can follow may have made what is missing."""
        before = (names for step, names in self._possible.items() if step < self._position)
        if not may_be_there(error.sqlstate, str(error), before):
            return False
        reason = f"an earlier statement may make what is missing: {error}"
        self._tell(parsed, Trouble.UNVERIFIABLE, reason, kind=kind, node=node)
        self._possible[self._position] = made_in(parsed.statement.text)
        return True

    def _check_syntax(self, stage: Stage, parsed: Parsed, kind: str) -> None:
        """Fail where the server's grammar, older or newer than ours, does not know the statement."""
        if kind in ("select_stmt", "insert_stmt", "update_stmt", "delete_stmt", "merge_stmt"):
            return
        if len(parsed.nodes) > 1:
            return
        shape = self._oracle.shape(parsed.statement.text)
        if shape is not None and shape.sqlstate == "42601":
            raise stage.fail("42601", shape.message)

    def _track_types(self, kind: str) -> None:
        if self._transaction is None:
            if kind in _LABELS_COME_WITH:
                self._settle_labels()
            self._scene.transaction_types = frozenset()
        elif kind == "create_enum_stmt":
            new = self._scene.types.keys() - self._transaction.before.types.keys()
            self._scene.transaction_types = frozenset(new)

    def _settle_labels(self) -> None:
        for oid, made in list(self._scene.types.items()):
            if made.fresh:
                self._scene.types[oid] = replace(made, fresh=frozenset())

    def _fails(self, parsed: Parsed, error: StatementFailsError, kind: str, node: Node) -> None:
        trouble = Trouble.VIOLATING_ROWS if error.rows else Trouble.WILL_FAIL
        from_stdin = kind == "copy_stmt" and node.is_from and not node.filename
        self._tell(
            parsed,
            trouble,
            f"{error}{_DATA_LEFT if from_stdin else ''}",
            sqlstate=error.sqlstate,
            harmless=error.harmless,
            examples=error.examples,
            kind=kind,
            node=node,
        )
        if self._transaction is not None:
            self._transaction.failed = True

    def _tell(
        self,
        parsed: Parsed,
        trouble: Trouble,
        reason: str,
        *,
        sqlstate: str = "",
        harmless: bool = False,
        examples: tuple[str, ...] = (),
        kind: str = "",
        node: Node | None = None,
    ) -> None:
        about, name = subject(kind, node) if node is not None else ("statement", "")
        statement = parsed.statement
        self._found.append(
            Prediction(
                migration=parsed.migration,
                file=statement.file,
                line=statement.line,
                sql=statement.text,
                trouble=trouble,
                reason=reason,
                sqlstate=sqlstate,
                harmless=harmless,
                examples=examples,
                kind=about,
                object=name,
            )
        )

    def _transact(self, parsed: Parsed, node: Node) -> bool:
        kind, current = node.kind, self._transaction
        if kind in (pb.TRANS_STMT_BEGIN, pb.TRANS_STMT_START):
            if current is None:
                self._transaction = _Transaction(self._scene.copy())
            elif current.failed:
                self._tell(parsed, Trouble.WILL_FAIL, _ABORTED, sqlstate="25P02")
                return False
            return True
        if kind in (pb.TRANS_STMT_COMMIT, pb.TRANS_STMT_ROLLBACK):
            if current is not None and (current.failed or kind == pb.TRANS_STMT_ROLLBACK):
                self._scene = current.before.copy()
            self._transaction = None
            self._track_types("transaction_stmt")
            return True
        return self._savepoint(parsed, node)

    def _savepoint(self, parsed: Parsed, node: Node) -> bool:
        kind, name, current = node.kind, node.savepoint_name, self._transaction
        if current is None:
            words = {
                pb.TRANS_STMT_SAVEPOINT: "SAVEPOINT",
                pb.TRANS_STMT_RELEASE: "RELEASE SAVEPOINT",
            }
            what = words.get(kind, "ROLLBACK TO SAVEPOINT")
            reason = f"{what} can only be used in transaction blocks"
            self._tell(parsed, Trouble.WILL_FAIL, reason, sqlstate="25P01")
            return False
        if current.failed and kind != pb.TRANS_STMT_ROLLBACK_TO:
            self._tell(parsed, Trouble.WILL_FAIL, _ABORTED, sqlstate="25P02")
            return False
        if kind == pb.TRANS_STMT_SAVEPOINT:
            current.savepoints.append((name, self._scene.copy()))
            return True
        names = [one for one, _ in current.savepoints]
        if name not in names:
            self._tell(
                parsed, Trouble.WILL_FAIL, f'savepoint "{name}" does not exist', sqlstate="3B001"
            )
            current.failed = True
            return False
        at = len(names) - 1 - names[::-1].index(name)
        if kind == pb.TRANS_STMT_ROLLBACK_TO:
            self._scene = current.savepoints[at][1].copy()
            current.failed = False
            del current.savepoints[at + 1 :]
        else:
            del current.savepoints[at:]
        return True
