"""Tables of label sets: what they remember, for how long, and how they order and project."""

import gc
import weakref
from functools import partial

from pgwatch.samples.labels import Labels
from pgwatch.samples.table import LabelTable, project, sort_keys


def test_a_transformation_is_computed_once() -> None:
    table = LabelTable([Labels({"a": "1", "b": "2"})])
    assert table.only(("a",)) is table.only(("a",))
    assert table.only(("a",)).labels == (Labels({"a": "1"}),)
    assert table.without(("a",)).labels == (Labels({"b": "2"}),)


def test_what_is_remembered_is_bounded() -> None:
    table = LabelTable([Labels({"a": "1"})])
    made: list[int] = []
    for number in range(1000):
        table.remember(number, partial(made.append, number))
    table.remember(999, lambda: made.append(-1))
    assert made == list(range(1000))
    assert len(table._memo) <= 32


def test_what_was_made_with_another_table_is_forgotten_with_it() -> None:
    table, other = LabelTable([Labels({"a": "1"})]), LabelTable([Labels({"a": "2"})])
    made = table.remember_with(other, "pair", lambda: LabelTable([Labels({"a": "3"})]))
    gone = weakref.ref(made)
    del made
    gc.collect()
    assert gone() is not None
    del other
    gc.collect()
    assert gone() is None


def test_projection_keeps_what_is_asked_for_of_any_schema() -> None:
    sets = [
        Labels(),
        Labels({"a": "1"}),
        Labels({"b": "1"}),
        Labels({"a": "1", "b": "1", "c": "1"}),
        Labels({"a": "1", "c": "2"}),
    ]
    for kept in ((), ("a",), ("a", "c"), ("a", "b", "c")):
        assert project(sets, frozenset(kept).__contains__) == [each.only(kept) for each in sets]


def test_sort_keys_order_as_labels_do() -> None:
    same = [Labels({"a": a, "b": b}) for a in ("2", "1") for b in ("x", "10", "é")]
    mixed = [*same, Labels(), Labels({"a": "1"}), Labels({"A": "9"}), Labels({"b": "0"})]
    for sets in (same, mixed):
        keys = sort_keys(sets)
        assert [sets[i] for i in sorted(range(len(sets)), key=keys.__getitem__)] == sorted(sets)
        assert [sets[i] for i in LabelTable(sets).order()] == sorted(sets)
