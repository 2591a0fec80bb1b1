"""No expression crashes, stalls or surprises the process: it has a value, or a PromqlError says why not.

`make fuzz` runs many more.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from pgwatch.promql import ast
from pgwatch.promql.engine import Engine
from pgwatch.promql.errors import PromqlError
from pgwatch.promql.format import plain_number
from pgwatch.promql.parser import parse
from pgwatch.promql.signature import ValueType
from tests.random_expressions import TOKENS, all_series, expressions
from tests.series import store_of

EXPRESSIONS = int(os.environ.get("PROMQL_FUZZ_EXPRESSIONS", "5000"))
SEED = int(os.environ.get("PROMQL_FUZZ_SEED") or random.SystemRandom().randrange(10**9))
LIMIT = 1.0  # seconds that an evaluation may take, of our own time
GRACE = 2.0  # what one part of it may take, between two looks at the clock

ENGINE = Engine(store_of(all_series()), lookback=timedelta(minutes=1))
AT_MS = 400_000


class _TookTooLongError(PromqlError):
    """The evaluation was ended by the clock."""


def _limit() -> Callable[[], None]:
    deadline = time.thread_time() + LIMIT

    def check() -> None:
        if time.thread_time() > deadline:
            raise _TookTooLongError("the query took too long")

    return check


def try_out(text: str) -> str:
    """Return how `text` ended; raises what is no PromqlError, and AssertionError if it took long."""
    begun = time.thread_time()
    try:
        expr = parse(text)
        printed = str(expr)
        assert str(parse(printed)) == printed
        result = ENGINE.instant(expr, AT_MS, check_time=_limit())
        [plain_number(value) for _, value in result.vector]
        if ast.type_of(expr) in (ValueType.SCALAR, ValueType.VECTOR):
            ENGINE.range(text, AT_MS - 60_000, AT_MS, 20_000, check_time=_limit())
        ended = "answered"
    except _TookTooLongError:
        ended = "stopped"
    except PromqlError:
        ended = "refused"
    assert time.thread_time() - begun < 2 * LIMIT + GRACE, f"took long: {text[:500]!r}"
    return ended


def test_expressions_of_the_grammar() -> None:
    ends: Counter[str] = Counter()
    for text in expressions(SEED, EXPRESSIONS):
        try:
            ends[try_out(text)] += 1
        except Exception as error:
            raise AssertionError(f"seed {SEED}: {text[:2000]!r}") from error
    print(f"seed {SEED}: {dict(ends)}")
    assert ends["answered"] > EXPRESSIONS / 5  # else it tries out the parser's refusals only
    assert ends["refused"] > EXPRESSIONS / 20


@settings(max_examples=max(100, EXPRESSIONS // 10), deadline=None)
@given(st.text())
def test_any_text(text: str) -> None:
    try_out(text)


@settings(max_examples=max(100, EXPRESSIONS // 10), deadline=None)
@given(st.lists(st.sampled_from(TOKENS)), st.sampled_from(["", " "]))
def test_any_heap_of_tokens(tokens: list[str], between: str) -> None:
    try_out(between.join(tokens))
