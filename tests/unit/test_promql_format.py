"""Numbers as Prometheus writes them in its API, in labels and in templates."""

import math

import pytest

from pgwatch.promql.format import api_number, api_time, plain_number, template_number


@pytest.mark.parametrize(
    ("value", "api", "plain", "template"),
    [
        (0.0, "0", "0", "0"),
        (-0.0, "-0", "-0", "-0"),
        (1.0, "1", "1", "1"),
        (-2.5, "-2.5", "-2.5", "-2.5"),
        (0.1 + 0.2, "0.30000000000000004", "0.30000000000000004", "0.30000000000000004"),
        (100.0, "100", "100", "100"),
        (999999.0, "999999", "999999", "999999"),
        (1e6, "1000000", "1000000", "1e+06"),
        (1234567.0, "1234567", "1234567", "1.234567e+06"),
        (123456.789, "123456.789", "123456.789", "123456.789"),
        (0.0001, "0.0001", "0.0001", "0.0001"),
        (0.00001, "0.00001", "0.00001", "1e-05"),
        (1e-6, "0.000001", "0.000001", "1e-06"),
        (1e-7, "1e-07", "0.0000001", "1e-07"),
        (2.5e-7, "2.5e-07", "0.00000025", "2.5e-07"),
        (1e20, "100000000000000000000", "100000000000000000000", "1e+20"),
        (1e21, "1e+21", "1000000000000000000000", "1e+21"),
        (-1.5e300, "-1.5e+300", "-15" + "0" * 299, "-1.5e+300"),
        (math.nan, "NaN", "NaN", "NaN"),
        (math.inf, "+Inf", "+Inf", "+Inf"),
        (-math.inf, "-Inf", "-Inf", "-Inf"),
    ],
)
def test_numbers(value: float, api: str, plain: str, template: str) -> None:
    assert (api_number(value), plain_number(value), template_number(value)) == (
        api,
        plain,
        template,
    )


@pytest.mark.parametrize(
    ("milliseconds", "expected"),
    [
        (0, "0"),
        (1000, "1"),
        (1001, "1.001"),
        (1_700_000_000_500, "1700000000.500"),
        (-1500, "-1.500"),
    ],
)
def test_times(milliseconds: int, expected: str) -> None:
    assert api_time(milliseconds) == expected
