"""Lists of label sets that remember what was computed from them.

Evaluating a rule transforms the same label sets in the same way each time. A transformation is
therefore computed once per table and kept on it; steady-state evaluation does no work per series.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from operator import itemgetter
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from pgwatch.samples.labels import METRIC_NAME, Labels

T = TypeVar("T")

METADATA = (METRIC_NAME, "__type__", "__unit__")
# the labels that a computed value loses (Prometheus 3 `model/labels`, DropReserved)

_MEMO_SIZE = 32  # transformations kept on one table, the latest; a rule file uses a handful on each


class LabelTable:
    """The label sets of a vector's columns, in the order of the columns.

    Tables are compared by identity: the same selection gives the same table until its series change.
    What is left of label sets without some of their labels is made when somebody looks at it: most
    rules compare thousands of series and tell of none.
    """

    __slots__ = (
        "__weakref__",
        "_base",
        "_constant",
        "_kept",
        "_labels",
        "_memo",
        "_pairs",
        "_same_order",
    )

    def __init__(self, labels: Iterable[Labels], *, constant: Iterable[str] = ()) -> None:
        """`constant` names labels that are known to have one value in the whole table."""
        self._base = tuple(labels)
        self._kept: frozenset[str] | None = None  # the labels of `_base` that are left; None: all
        self._labels: tuple[Labels, ...] | None = self._base
        self._constant = frozenset(constant)
        self._same_order = False  # `_base` is in the same order: only constants are left out
        self._memo: dict[Hashable, Any] = {}
        self._pairs: WeakKeyDictionary[LabelTable, dict[Hashable, Any]] = WeakKeyDictionary()

    def __len__(self) -> int:
        return len(self._base)

    @property
    def labels(self) -> tuple[Labels, ...]:
        """The label sets, one for each column."""
        if self._labels is None:
            self._labels = tuple(self._left_of(self._base))
        return self._labels

    def pick(self, columns: Iterable[int]) -> list[Labels]:
        """Return the label sets of some columns, without making those of the others."""
        if self._labels is None:
            return self._left_of([self._base[column] for column in columns])
        return [self._labels[column] for column in columns]

    def names(self) -> frozenset[str]:
        """Return the names of all labels."""

        def collect() -> frozenset[str]:
            found = frozenset[str]().union(*{each.schema for each in self._base})
            return found if self._kept is None else found & self._kept

        return self.remember("names", collect)

    def remember(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what `make` gave for `key` before, or call it now."""
        return _remember(self._memo, key, make)

    def remember_with(self, other: "LabelTable", key: Hashable, make: Callable[[], T]) -> T:
        """Return what `make` gave for `key` and the table `other`; forgotten when `other` is gone.

        The result must not refer to `other`, or it would never be gone.
        """
        memo = self._pairs.get(other)
        if memo is None:
            memo = self._pairs.setdefault(other, {})
        return _remember(memo, key, make)

    def is_unique(self) -> bool:
        """Return whether no two label sets are equal."""
        return self.remember("unique", lambda: len(set(self.labels)) == len(self.labels))

    def order(self) -> tuple[int, ...]:
        """Return the columns in label order."""

        def sort() -> tuple[int, ...]:
            one_schema = len({each.schema for each in self._base}) == 1
            keys = sort_keys(self._base if self._same_order and one_schema else self.labels)
            return tuple(sorted(range(len(keys)), key=keys.__getitem__))

        return self.remember("order", sort)

    def without_name(self) -> "LabelTable":
        """Return the table without what says which metric it was: name, type and unit."""
        return self.without(METADATA)

    def without(self, names: tuple[str, ...]) -> "LabelTable":
        """Return the table without the labels `names`."""
        return self.remember(
            ("without", names), lambda: self._projected(self.names().difference(names))
        )

    def only(self, names: tuple[str, ...]) -> "LabelTable":
        """Return the table with the labels `names` only."""
        return self.remember(
            ("only", names), lambda: self._projected(self.names().intersection(names))
        )

    def _projected(self, kept: frozenset[str]) -> "LabelTable":
        dropped = self.names() - kept
        if not dropped:
            return self

        def make() -> LabelTable:
            table = LabelTable(self._base, constant=self._constant & kept)
            table._kept, table._labels = kept, None
            table._same_order = dropped <= self._constant
            if table._same_order and self.is_unique():
                table.remember("unique", lambda: True)
            return table

        return self.remember(kept, make)

    def _left_of(self, labels: Sequence[Labels]) -> list[Labels]:
        kept = self._kept
        if kept is None:
            return list(labels)
        return project(labels, kept.__contains__) if kept else [Labels()] * len(labels)


def project(labels: Iterable[Labels], keep: Callable[[str], bool]) -> list[Labels]:
    """Return the sets with only the labels whose name satisfies `keep`; equal ones are one object."""
    plans: dict[tuple[str, ...], _Projection] = {}
    made: list[Labels] = []
    schema: tuple[str, ...] | None = None
    for each in labels:
        if each.schema is not schema:
            schema = each.schema
            plan = plans.get(schema) or plans.setdefault(schema, _projection(schema, keep))
            left, pick, known = plan
        values = pick(each.values_)
        found = known.get(values)
        if found is None:
            found = known[values] = Labels.from_sorted(left, values)
        made.append(found)
    return made


_Projection = tuple[
    tuple[str, ...], Callable[[tuple[str, ...]], tuple[str, ...]], dict[tuple[str, ...], Labels]
]
# of sets with one schema: the names that are left, what picks their values, and the sets made so far


def _projection(schema: tuple[str, ...], keep: Callable[[str], bool]) -> _Projection:
    kept = [i for i, name in enumerate(schema) if keep(name)]
    pick: Callable[[tuple[str, ...]], tuple[str, ...]]
    if len(kept) > 1:
        pick = itemgetter(*kept)
    elif kept:
        (only,) = kept

        def pick(values: tuple[str, ...]) -> tuple[str, ...]:
            return (values[only],)
    else:

        def pick(values: tuple[str, ...]) -> tuple[str, ...]:  # noqa: ARG001
            return ()

    return tuple(schema[i] for i in kept), pick, {}


def sort_keys(labels: Iterable[Labels]) -> list[tuple[Any, ...]]:
    """Return a key for each set that sorts as `Labels` do, cheaper than comparing them."""
    labels = tuple(labels)
    if len({each.schema for each in labels}) == 1:
        return [each.values_ for each in labels]
    return [tuple(zip(each.schema, each.values_, strict=True)) for each in labels]


def _remember(memo: dict[Hashable, Any], key: Hashable, make: Callable[[], T]) -> T:
    try:
        found: T = memo[key]
    except KeyError:
        # Two threads may both compute; either result is right, and forgetting loses only time.
        while len(memo) >= _MEMO_SIZE:
            memo.pop(next(iter(list(memo))), None)
        found = memo[key] = make()
    return found
