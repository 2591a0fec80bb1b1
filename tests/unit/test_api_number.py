"""Numbers in the answers of the HTTP API."""

from hypothesis import example, given
from hypothesis import strategies as st

from pgwatch.promql.format import api_number
from pgwatch.web.api_query import number


@given(st.floats() | st.integers(-(2**53), 2**53).map(float))
@example(-0.0)
@example(1e-6)
@example(9.999e-7)
@example(1e16)
@example(1e21)
def test_fast_way_gives_the_same(value: float) -> None:
    assert number(value) == api_number(value)
