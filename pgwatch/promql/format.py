"""Numbers as Prometheus writes them: in its API, in label values, and in templates."""

import math
from decimal import Decimal


def api_number(value: float) -> str:
    """Return `value` as the HTTP API writes it: plain digits, an exponent below 1e-6 and from 1e21.

    Source: Prometheus `util/jsonutil.MarshalFloat`.
    """
    if value == 0 or not math.isfinite(value) or 1e-6 <= abs(value) < 1e21:
        return plain_number(value)
    return _with_exponent(value)


def plain_number(value: float) -> str:
    """Return `value` in the fewest plain digits that give it back, as `count_values` labels do."""
    special = _not_finite(value)
    if special is not None:
        return special
    text = format(Decimal(repr(float(value))), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def template_number(value: float) -> str:
    """Return `value` as Go's `%v` does, which is what `{{ $value }}` shows: `1e+06`, `0.5`, `1e-05`."""
    special = _not_finite(value)
    if special is not None:
        return special
    if value == 0:
        return plain_number(value)
    exponent = Decimal(repr(float(value))).adjusted()
    # Go's `strconv` takes 6 for the precision of %g where the digits are the fewest possible.
    if exponent < -4 or exponent >= 6:
        return _with_exponent(value)
    return plain_number(value)


def api_time(milliseconds: int) -> str:
    """Return a Unix time in seconds, with three decimals only if it is not whole."""
    seconds, rest = divmod(abs(milliseconds), 1000)
    sign = "-" if milliseconds < 0 else ""
    return f"{sign}{seconds}.{rest:03d}" if rest else f"{sign}{seconds}"


def _with_exponent(value: float) -> str:
    """Return `value` in the fewest digits with an exponent of at least two: `1e+21`, `2.5e-07`."""
    number = Decimal(repr(float(value)))
    digits = "".join(map(str, number.as_tuple().digits)).rstrip("0")
    exponent = number.adjusted()
    mantissa = digits[0] + (f".{digits[1:]}" if len(digits) > 1 else "")
    return f"{'-' if value < 0 else ''}{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def _not_finite(value: float) -> str | None:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return None
