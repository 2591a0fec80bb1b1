"""OpenMetrics 1.0: when a scraper gets it, and where it differs from the text format.

The lines of samples are the same in both, so both are joined from the same blocks. Source:
https://prometheus.io/docs/specs/om/open_metrics_spec/
"""

from collections.abc import Collection

from pgwatch.samples.sample import Family, MetricType

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
END = b"# EOF\n"

_TOTAL = "_total"
_TYPES = {"application/openmetrics-text": True, "text/plain": False}


def wants_openmetrics(accept: str) -> bool:
    """Return whether a request with the header `Accept: accept` is to be answered in OpenMetrics.

    Only who names it gets it, at a quality that is not below that of the text format: a browser's
    `*/*` means text. Versions other than 1.0.0 are as good as not named.
    """
    best = {True: 0.0, False: 0.0}
    for part in accept.split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        openmetrics = _TYPES.get(kind)
        given = dict(each.replace(" ", "").partition("=")[::2] for each in parameters)
        if openmetrics is None or (openmetrics and given.get("version", "1.0.0") != "1.0.0"):
            continue
        best[openmetrics] = max(best[openmetrics], _quality(given.get("q", "1")))
    return best[True] > 0 and best[True] >= best[False]


def _quality(text: str) -> float:
    """Return a weight between 0 and 1; what is no number is 0 (RFC 9110 section 12.4.2)."""
    try:
        quality = float(text)
    except ValueError:
        return 0.0
    return quality if 0 <= quality <= 1 else 0.0


def header(family: Family, *, names: Collection[str], is_countable: bool) -> str:
    """Return the HELP and TYPE lines of `family` on a page with the families `names`.

    A counter is called without its `_total` here. One that is inherited without the suffix, or has a
    value that no counter may have (negative, NaN), or whose short name is another family's, is of
    unknown type: its samples keep their names in any case.
    """
    name, kind = family.name, str(family.type)
    if family.type is MetricType.UNTYPED:
        kind = "unknown"
    elif family.type is MetricType.COUNTER:
        short = name.removesuffix(_TOTAL)
        taken = short in names or f"{short}_created" in names
        if short != name and is_countable and not taken:
            name = short
        else:
            kind = "unknown"
    text = family.help.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
    return f"# HELP {name} {text}\n# TYPE {name} {kind}\n"
