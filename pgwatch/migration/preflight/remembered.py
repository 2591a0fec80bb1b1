"""How a body ran when it was judged last, as long as nothing that it names has changed. Pure."""

from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import Any

from pgwatch.migration.parse import words_of
from pgwatch.migration.preflight.objects import Function
from pgwatch.migration.preflight.stage import Stage
from pgwatch.migration.preflight.standin import NotYetKnownError

_MOST_NESTED = 4  # functions that call each other


def remembered(stage: Stage, function: Function, call: Hashable, judge: Callable[[], Any]) -> Any:
    """Return what `judge` returns, of an earlier time where that cannot have changed.

    `call` is what else decides: trigger, event, table. Raises NotYetKnownError while answers are missing,
    at once where the same was asked since the last ones came.
    """
    oracle = stage.oracle
    key = (function.oid, call, _seen(stage, function))
    if key in oracle.outcomes:
        return oracle.outcomes[key]
    if oracle.pending.get(key) == oracle.round_trips:
        raise NotYetKnownError
    try:
        found = judge()
    except NotYetKnownError:
        oracle.pending[key] = oracle.round_trips
        raise
    if not oracle.open:
        oracle.outcomes[key] = found
    return found


@lru_cache(maxsize=1024)
def _words(text: str) -> frozenset[str]:
    return frozenset(words_of(text))


def _seen(stage: Stage, function: Function) -> Hashable:
    """Return what of the scene decides how a body is understood."""
    scene = stage.scene
    words, shapes = _words(function.shape), {function.shape}
    for _ in range(_MOST_NESTED):
        called = [f.shape for f in scene.functions.values() if f.name in words]
        if shapes.issuperset(called):
            break
        shapes |= set(called)
        words = words.union(*map(_words, called))
    relations = tuple(
        (one.oid, one.kind, one.columns, one.live, one.altered)
        for one in scene.relations.values()
        if one.name.lower() in words
    )
    functions = tuple(one for one in scene.functions.values() if one.name in words)
    return (scene.path, relations, functions, tuple(scene.types.values()), len(scene.settings))
