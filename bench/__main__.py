"""Run the figures and print them as the rows of a Markdown table."""

import sys

from bench import gate, profile, scrape

_PARTS = {"gate": gate.measure, "scrape": scrape.measure}


def main(arguments: list[str]) -> int:
    """Measure the named parts, all of them by default; returns 2 for a name that does not exist."""
    if unknown := [name for name in arguments if name not in _PARTS]:
        print(
            f"bench: no part called {unknown[0]}; there are: {', '.join(_PARTS)}", file=sys.stderr
        )
        return 2
    with profile.server() as server:
        rows = [row for name in arguments or _PARTS for row in _PARTS[name](server)]
    print("| what | measured | ratio |\n| --- | --- | --- |")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
