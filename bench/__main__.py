"""Run the figures and print them as the rows of a Markdown table."""

import sys

from bench import flood, gate, latency, migrations, profile, promql, scrape

_PARTS = {
    "gate": gate.measure,
    "latency": latency.measure,
    "flood": flood.measure,
    "migrations": migrations.measure,
    "scrape": scrape.measure,
}  # with a server
_ALONE = {"promql": promql.measure}


def main(arguments: list[str]) -> int:
    """Measure the named parts, all of them by default; returns 2 for a name that does not exist."""
    names = [*_PARTS, *_ALONE]
    if unknown := [name for name in arguments if name not in names]:
        print(f"bench: no part called {unknown[0]}; there are: {', '.join(names)}", file=sys.stderr)
        return 2
    names = arguments or names
    rows = [row for name in names if name in _ALONE for row in _ALONE[name]()]
    if with_server := [name for name in names if name in _PARTS]:
        with profile.server() as server:
            rows += [row for name in with_server for row in _PARTS[name](server)]
    print("| what | measured | ratio |\n| --- | --- | --- |")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
