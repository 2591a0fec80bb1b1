"""Partition bounds, which the server writes in the form of the key's types. Pure."""

from pgwatch.migration.objects import Expression

_WORDS = ("from", "to", "in")
_LIMITS = ("minvalue", "maxvalue", "null")


def typed_bounds(
    declared: tuple[str, ...], live: tuple[str, ...], types: tuple[str, ...]
) -> tuple[Expression, Expression] | None:
    """Return both bounds as values of the key's `types`; None where they differ without a doubt."""
    if len(declared) != len(live) or not types or declared[0] not in ("from", "in"):
        return None
    words = [(one, other) for one, other in zip(declared, live, strict=True) if _fixed(one, other)]
    if any(one.lower() != other.lower() for one, other in words):
        return None
    return _typed(declared, types), _typed(live, types)


def _fixed(one: str, other: str) -> bool:
    """Return whether one of them is no constant: they mean the same only if they read the same."""
    return any(text.lower() in (*_WORDS, *_LIMITS) for text in (one, other))


def _typed(bound: tuple[str, ...], types: tuple[str, ...]) -> Expression:
    values: list[str] = []
    position = 0
    for text in bound:
        if text in _WORDS:
            position = 0
            continue
        # The columns of a range take turns; the values of a list are all of its only column.
        type_ = types[0] if bound[0] == "in" else types[position]
        position += 1
        if text.lower() not in _LIMITS:
            values.append(f"({text})::{type_}")
    return Expression(f"ROW({', '.join(values)})")
