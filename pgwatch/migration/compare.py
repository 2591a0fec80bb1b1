"""Declared objects beside live ones: what is missing, different, dead or cannot be told. Pure.

Where only the server can tell whether two expressions, types or queries mean the same, a question
comes back; `compare` is called again with the answers.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from enum import StrEnum

from pgwatch.migration.bounds import typed_bounds
from pgwatch.migration.objects import (
    RELATIONS,
    Declarations,
    Declared,
    Expression,
    Facet,
    Key,
    Kind,
    LiveObject,
    Place,
    Query,
    TypeName,
    Value,
)
from pgwatch.migration.spelling import same_moment


class Fault(StrEnum):
    """What is wrong with a declared object."""

    MISSING = "missing"
    DIFFERENT = "different"
    DEAD = "dead"  # it is there and does not do its work
    UNVERIFIABLE = "unverifiable"


class Aspect(StrEnum):
    """Under which heading a problem belongs: the deployment guide's validation steps."""

    STRUCTURE = "structure"
    TYPES = "types"
    CONSTRAINTS = "constraints"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Whether the server understands `declared` and `live` as the same."""

    declared: Value
    live: Value
    rows: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()  # (alias, ((column, type), …))
    cast: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The server's answer: `same` is None where it could not tell; `refused` says why."""

    same: bool | None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is not as a statement of a migration wants it."""

    fault: Fault
    aspect: Aspect
    key: Key | None  # None: of a statement whose objects are not known
    kind: str
    place: Place
    message: str
    again: bool = (
        True  # False: its statement can only fail again, as what it changes was never there
    )
    facets: tuple[tuple[str, Value, Value | None], ...] = ()  # (name, declared, live)
    follows: bool = False  # a later statement is about an object that is missing
    also: tuple[Place, ...] = ()  # later statements about the object that is missing
    together: tuple[Key, ...] = ()  # all objects that the problem is about, if several


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The problems, and what must be asked before they are final."""

    problems: tuple[Problem, ...]
    questions: frozenset[Question]


_DEAD = {
    "validated": "is not validated: old rows may break it",
    "valid": "is invalid: no query uses it, and a unique one allows duplicates",
    "populated": "was never filled: reading it fails",
    "enabled": "is disabled",
}
_TYPES = frozenset({"type", "collation", "default", "identity", "generated", "serial", "values"})
_CONSTRAINT_KINDS = frozenset(
    {Kind.CONSTRAINT, Kind.INDEX, Kind.STATISTICS, Kind.TRIGGER, Kind.POLICY}
)
_ON_A_TABLE = (Kind.INDEX, Kind.STATISTICS)
_OWNERS = (Kind.TABLE, Kind.VIEW, Kind.MATERIALIZED_VIEW, Kind.DOMAIN)
# Written without a schema they may be any schema's on the path.
_NAMES = frozenset({"function", "references", "partition of", "table"})


# What a facet is declared as that nothing in the database stands for, by its first word.
_ABSENT = {"privilege": "not granted", "value": "no", "setting": "none", "member": "no"}


def compare(
    declarations: Declarations,
    live: Mapping[Key, LiveObject],
    answers: Mapping[Question, Answer],
) -> Comparison:
    """Return what differs; final when `questions` is empty."""
    made = {d.key: d.place for d in declarations.objects if d.created and not d.gone}
    comparer = _Comparer(live, answers, made)
    problems = [p for declared in declarations.objects for p in comparer.problems(declared)]
    problems += [
        Problem(
            fault=Fault.UNVERIFIABLE,
            aspect=Aspect.STRUCTURE,
            key=None,
            kind="statement",
            place=one.place,
            message=f"a statement cannot be verified: {one.reason}",
        )
        for one in declarations.unverifiable
    ]
    order = {file: number for number, file in enumerate(declarations.files)}
    problems.sort(key=lambda p: (p.fault is Fault.UNVERIFIABLE, order[p.place.file], p.place.line))
    return Comparison(problems=tuple(problems), questions=frozenset(comparer.questions))


@dataclass(slots=True)
class _Comparer:
    live: Mapping[Key, LiveObject]
    answers: Mapping[Question, Answer]
    made: Mapping[Key, Place]  # where each object is created
    questions: set[Question] = field(default_factory=set)
    columns: dict[tuple[str, str], tuple[tuple[str, str], ...]] = field(default_factory=dict)
    alike: dict[tuple[Kind, str, str], list[LiveObject]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        found: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for key, live in self.live.items():
            self.alike.setdefault((key.kind, key.schema, key.table), []).append(live)
            if key.kind is Kind.COLUMN:
                column = (key.name, str(live.values["type"]))
                found.setdefault((key.schema, key.table), []).append(column)
        self.columns = {table: tuple(columns) for table, columns in found.items()}

    def problems(self, declared: Declared) -> Iterator[Problem]:
        found = self.live.get(declared.key)
        if found is None and declared.key.kind is Kind.FUNCTION and not declared.created:
            found = self.live.get(replace(declared.key, schema="pg_catalog"))
        if declared.gone:
            if found is not None:
                yield _problem(declared, Fault.DIFFERENT, "declared dropped, still exists")
            return
        if declared.derived and (found is None or self._differs(declared, found)):
            found = self._by_structure(declared) or found
        if found is None:
            yield from self._missing(declared)
        else:
            yield from self._differences(declared, found)

    def _missing(self, declared: Declared) -> Iterator[Problem]:
        key = declared.key
        without_owner = bool(key.table) and not self._owner_exists(key)
        if (declared.optional or declared.condition) and (without_owner or not declared.created):
            return
        if declared.condition:
            text = f"missing; it is made only if {declared.condition}"
            yield _problem(declared, Fault.UNVERIFIABLE, text)
            return
        others = {facet.place for facet in declared.facets.values()} - {declared.place}
        # Where the same statement makes its table, the table's own problem tells it.
        if not (without_owner and declared.place in self._owner_places(key)):
            yield _problem(declared, Fault.MISSING, self._why_missing(declared, without_owner))
        for place in sorted(others, key=lambda place: (str(place.file), place.line)):
            facets = {n: f for n, f in declared.facets.items() if f.place == place}
            yield _follow_up(declared, place, facets)

    def _owner_places(self, key: Key) -> list[Place | None]:
        return [self.made.get(Key(kind, key.schema, key.table)) for kind in _OWNERS]

    def _why_missing(self, declared: Declared, without_owner: bool) -> str:
        key = declared.key
        if without_owner:
            return f"missing, as {key.table} is"
        table = declared.facets.get("table") if key.kind in _ON_A_TABLE else None
        if table is not None and not self._is_relation(key.schema, str(table.value)):
            return f"missing, as {table.value} is"
        if not declared.created:
            return f"a statement changes it, but it does not exist{self._meant(key)}"
        for kind in RELATIONS if key.kind in RELATIONS else ():
            if (other := replace(key, kind=kind)) in self.live:
                article = "an" if other.kind is Kind.INDEX else "a"
                return f"missing; the name belongs to {article} {other.kind}"
        return "missing"

    def _meant(self, key: Key) -> str:
        """Return a hint at a live object of nearly the same name."""
        there = [o.name for o in self.live if replace(o, name=key.name) == key]
        close = get_close_matches(key.name, there, n=1)
        return f"; {close[0]} does" if close else ""

    def _owner_exists(self, key: Key) -> bool:
        return any(Key(kind, key.schema, key.table) in self.live for kind in _OWNERS)

    def _is_relation(self, schema: str, name: str) -> bool:
        *other, name = name.split(".")
        return any(Key(kind, (other or [schema])[0], name) in self.live for kind in RELATIONS)

    def _by_structure(self, declared: Declared) -> LiveObject | None:
        """Return a live object that is what a declared one without a name of its own wants to be."""
        key = declared.key
        table = declared.facets.get("table")
        for live in self.alike.get((key.kind, key.schema, key.table), ()):
            if table is not None and live.values.get("table") != table.value:
                continue
            if not self._differs(declared, live):
                return live
        return None

    def _differs(self, declared: Declared, live: LiveObject) -> bool:
        """Return whether anything but its life differs; an open question counts as no difference."""
        return any(
            self._same(declared, name, facet, live).same is False
            for name, facet in declared.facets.items()
            if name not in _DEAD
        )

    def _differences(self, declared: Declared, live: LiveObject) -> Iterator[Problem]:
        found: dict[tuple[Place, Fault, Aspect], list[tuple[str, Facet, Answer]]] = {}
        answers = {n: self._same(declared, n, f, live) for n, f in declared.facets.items()}
        if "type" in answers and answers["type"].same is False:
            answers.pop("default", None)  # it has the other type, too: that is one difference
        for name, answer in answers.items():
            facet = declared.facets[name]
            if answer.same:
                continue
            fault = Fault.DIFFERENT
            if answer.same is None or (declared.condition and declared.created):
                fault = Fault.UNVERIFIABLE
            elif name in _DEAD:
                fault = Fault.DEAD
            group = (facet.place, fault, _aspect(declared.key, name))
            found.setdefault(group, []).append((name, facet, answer))
        for (place, fault, aspect), facets in found.items():
            texts = [_text(name, facet, live, answer, fault) for name, facet, answer in facets]
            if declared.condition and declared.created:
                texts.append(f"it is made only if {declared.condition}")
            yield Problem(
                fault=fault,
                aspect=aspect,
                key=declared.key,
                kind="comment"
                if [n for n, *_ in facets] == ["comment"]
                else str(declared.key.kind),
                place=place,
                message=f"{declared.key}: {'; '.join(texts)}",
                facets=tuple((n, f.value, live.values.get(n)) for n, f, _ in facets),
            )

    def _same(self, declared: Declared, name: str, facet: Facet, live: LiveObject) -> Answer:
        wanted, is_ = facet.value, live.values.get(name)
        if _equal(name, wanted, is_):
            return Answer(same=True)
        if name == "partition bound" and isinstance(wanted, tuple) and isinstance(is_, tuple):
            types = live.values.get("partition key types")
            typed = typed_bounds(wanted, is_, types if isinstance(types, tuple) else ())
            if typed is not None:
                return self._ask(Question(declared=typed[0], live=typed[1]))
        if isinstance(wanted, Query) and isinstance(is_, Query):
            return self._ask(Question(declared=wanted, live=is_))
        if isinstance(wanted, TypeName) and isinstance(is_, TypeName):
            return self._ask(Question(declared=wanted, live=is_))
        if isinstance(wanted, Expression) and isinstance(is_, Expression):
            cast = wanted.cast
            if name == "default" and (type_ := live.values.get("type")) is not None:
                cast = str(type_)
            rows = self._rows(declared, wanted)
            return self._ask(Question(declared=wanted, live=is_, rows=rows, cast=cast))
        return Answer(same=False)

    def _ask(self, question: Question) -> Answer:
        answer = self.answers.get(question)
        if answer is None:
            self.questions.add(question)
            return Answer(same=True)
        return answer

    def _rows(
        self, declared: Declared, expression: Expression
    ) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
        key = declared.key
        schema, table = expression.schema, expression.table
        if key.kind is Kind.COLUMN:
            schema, table = key.schema, key.table
        if not table:
            return ()
        domain = self.live.get(Key(Kind.DOMAIN, schema, table))
        if domain is not None:
            return ((table, (("value", str(domain.values["type"])),)),)
        columns = self.columns.get((schema, table), ())
        return tuple((alias, columns) for alias in expression.rows or (table,))


def _equal(name: str, wanted: Value, live: Value | None) -> bool:
    """Return whether both are the same without asking the server."""
    if name in _NAMES and isinstance(live, str):
        return wanted in (live, live.rsplit(".", 1)[-1])
    if isinstance(wanted, Expression | Query) and isinstance(live, Expression | Query):
        now = name == "default" and same_moment(wanted.sql, live.sql)
        return now or wanted.sql == live.sql
    # Switched on again, or filled, by hand is no damage.
    accepted = {"enabled": "disabled", "populated": "no"}.get(name)
    if live is None:
        accepted = accepted or _ABSENT.get(name.split(" ", maxsplit=1)[0])
    return wanted in (live, accepted)


def _aspect(key: Key, facet: str = "") -> Aspect:
    if key.kind in _CONSTRAINT_KINDS or facet in ("nullable", "populated"):
        return Aspect.CONSTRAINTS
    return Aspect.TYPES if facet in _TYPES else Aspect.STRUCTURE


def _problem(declared: Declared, fault: Fault, text: str) -> Problem:
    return Problem(
        fault=fault,
        aspect=_aspect(declared.key),
        key=declared.key,
        kind=str(declared.key.kind),
        place=declared.place,
        message=f"{declared.key.kind} {declared.key}: {text}",
        again=declared.created,
    )


def _follow_up(declared: Declared, place: Place, facets: Mapping[str, Facet]) -> Problem:
    """Return the problem of a later statement about an object that is not there."""
    key = declared.key
    comment = list(facets) == ["comment"]
    what = f"comment on {key.kind} {key}" if comment else f"{key.kind} {key}"
    return Problem(
        fault=Fault.MISSING,
        aspect=_aspect(key),
        key=key,
        kind="comment" if comment else str(key.kind),
        place=place,
        message=f"{what}: {', '.join(facets)} declared, but the {key.kind} does not exist",
        follows=True,
    )


def _text(name: str, facet: Facet, live: LiveObject, answer: Answer, fault: Fault) -> str:
    wanted, is_ = facet.value, live.values.get(name)
    if fault is Fault.UNVERIFIABLE and answer.same is None:
        return f"{name} cannot be compared: {answer.reason}"
    if fault is Fault.DEAD:
        return _DEAD[name] if is_ != "enabled for replicas" else "is enabled for replicas only"
    if name == "query":
        return f"the query is another one than declared{_because(answer)}"
    if name == "body":
        return "the body is another one than declared"
    if name.startswith("value ") and wanted == "yes":
        return f"has no {name}"
    what = "" if name == "type" else f"{name} "
    return f"{what}declared {_shown(wanted)}, is {_shown(is_)}{_because(answer)}"


def _because(answer: Answer) -> str:
    return f" ({answer.reason})" if answer.reason else ""


def _shown(value: Value | None) -> str:
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return f"({', '.join(value)})"
    return str(value)
