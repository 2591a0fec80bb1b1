"""Keeping messages within a service's size."""

import json
from collections.abc import Callable
from typing import Any


def fitting(build: Callable[[int], Any], limit: int, most: int) -> Any:
    """Return what `build` makes of as many alerts (up to `most`) as fit into `limit` bytes of JSON.

    If not even one fits, what is made of none.
    """
    while most > 0:
        payload = build(most)
        if size(payload) <= limit:
            return payload
        most //= 2
    return build(0)


def size(payload: Any) -> int:
    """Return the bytes of `payload` as it is sent."""
    return len(json.dumps(payload, ensure_ascii=False).encode())
