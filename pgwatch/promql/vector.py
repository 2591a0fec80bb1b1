"""Values of an evaluation: all steps at once, one column per series."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pgwatch.promql.errors import PromqlError
from pgwatch.samples.block import Values
from pgwatch.samples.labels import Labels
from pgwatch.samples.table import LabelTable

Mask = NDArray[np.bool_]
Indices = NDArray[np.intp]

Columns = NDArray[np.bool_]  # [series]

EMPTY_TABLE = LabelTable(())


@dataclass(frozen=True, slots=True)
class Vector:
    """An instant vector at each step."""

    table: LabelTable
    values: Values  # [steps, series]; anything where not present
    present: Mask | None = None  # [steps, series]; None: everywhere
    order: tuple[int, ...] | None = None
    # the columns as sort and topk want them in the answer of an instant query; None: in label order
    unnamed: Columns | None = None
    # [series] which of them lose their name at the end of the evaluation; None: names go at once

    @property
    def mask(self) -> Mask:
        """Where there is an element, spelled out."""
        if self.present is None:
            return np.ones(self.values.shape, dtype=np.bool_)
        return self.present

    def mapped(self, compute: Callable[[Values], Values]) -> "Vector":
        """Return the vector of computed values, without the metric's name."""
        return without_name(replace(self, values=compute(self.values), order=None))

    def where(self, keep: Mask) -> "Vector":
        """Return the vector with only the elements where `keep`."""
        return replace(self, present=both(self.present, keep))

    def any_present(self) -> NDArray[np.bool_]:
        """Return for each step whether there is an element."""
        if self.present is None:
            return np.full(len(self.values), self.values.shape[1] > 0)
        found: NDArray[np.bool_] = np.logical_or.reduce(self.present, axis=1)
        return found


Scalar = NDArray[np.float64]  # [steps]
Value = Vector | Scalar | str


def empty(steps: int) -> Vector:
    """Return a vector without elements."""
    return Vector(EMPTY_TABLE, np.empty((steps, 0)))


def both(a: Mask | None, b: Mask | None) -> Mask | None:
    """Return where `a` and `b` hold; None is everywhere."""
    if a is None:
        return b
    return a if b is None else a & b


def without_name(vector: Vector) -> Vector:
    """Return `vector` without the metric's name, or due to lose it."""
    if vector.unnamed is not None:
        return replace(vector, unnamed=np.ones(len(vector.table), dtype=np.bool_))
    return relabelled(vector, vector.table.without_name())


def named_at_last(vector: Vector) -> Vector:
    """Return `vector` without the names that are due to go."""
    if vector.unnamed is None or not vector.unnamed.any():
        return vector
    unnamed = vector.unnamed.tolist()
    both_ways = zip(vector.table.labels, vector.table.without_name().labels, unnamed, strict=True)
    table = LabelTable(bare if due else labels for labels, bare, due in both_ways)
    return relabelled(replace(vector, unnamed=None), table)


def relabelled(vector: Vector, table: LabelTable) -> Vector:
    """Return `vector` with the label sets of `table`, column by column.

    Equal label sets become one series if they are never there at the same step; else it is an error.
    """
    if table.is_unique():
        return replace(vector, table=table)
    merged, places = table.remember("merged", lambda: _merged(table.labels))
    steps, columns = np.nonzero(vector.mask)
    flat = steps * len(merged) + places[columns]
    if len(np.unique(flat)) < len(flat):
        raise PromqlError("vector cannot contain metrics with the same labelset")
    values = np.full((len(vector.values), len(merged)), np.nan)
    present = np.zeros(values.shape, dtype=np.bool_)
    values.ravel()[flat] = vector.values[steps, columns]
    present.ravel()[flat] = True
    unnamed = any_of(vector.unnamed, places, len(merged))
    return Vector(merged, values, present, unnamed=unnamed)


def any_of(unnamed: Columns | None, groups: Indices, count: int) -> Columns | None:
    """Return for each of `count` groups whether one of its columns is due to lose its name."""
    if unnamed is None:
        return None
    found = np.zeros(count, dtype=np.bool_)
    found[groups[unnamed]] = True
    return found


def _merged(labels: tuple[Labels, ...]) -> tuple[LabelTable, Indices]:
    """Return the distinct label sets, and which of them each one is."""
    numbers: dict[Labels, int] = {}
    places = [numbers.setdefault(each, len(numbers)) for each in labels]
    return LabelTable(numbers), np.array(places, dtype=np.intp)
