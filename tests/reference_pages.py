"""The parts of docs/reference that are written by the program itself: `python -m tests.reference_pages`.

A generated part stands between `<!-- generated -->` and `<!-- end -->`; the rest of a page is written by
people. `tests/unit/test_docs.py` fails where a page is behind.
"""

import io
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import redirect_stdout, suppress
from datetime import UTC, datetime, timedelta
from unittest import mock

from prometheus_client.parser import text_string_to_metric_families

from pgwatch.check.extra import EXTRA_SPECS
from pgwatch.cli.main import main
from pgwatch.collect.report import UP
from pgwatch.daemon.alert_counts import ALERT_COUNTS
from pgwatch.export.own_metrics import OwnMetrics, QueryMetrics
from pgwatch.migration.drift import OBJECTS, PROBLEM, PROBLEM_LABELS
from pgwatch.probes.host import LocalHostProbe
from pgwatch.probes.http import HttpProbe
from pgwatch.queries.catalog import load_catalog
from pgwatch.queries.query import Query, Scope
from pgwatch.samples.labels import METRIC_NAME
from pgwatch.samples.sample import Collected, Family, MetricType, Source
from pgwatch.samples.store import Store
from pgwatch.share import share
from pgwatch.units import format_duration
from tests.servers import ROOT

FOLDER = ROOT / "docs" / "reference"
_PART = re.compile(r"(?<=<!-- generated -->\n)\n.*?(?=<!-- end -->)", re.DOTALL)


def written(page: str) -> str:
    """Return the generated part of `page` as it stands in the repository."""
    found = _PART.search((FOLDER / page).read_text("utf-8"))
    assert found is not None, f"{page} has no generated part"
    return found[0]


# The commands


def commands() -> str:
    """Return each command with its help, without the options that all have, and those once."""
    texts = dict(helps())
    common = {_common(text) for text in texts.values()}
    assert len(common) == 1, "the common options differ between commands"
    blocks = [f"\n### Common options\n\n```text\n{common.pop()}```\n"]
    blocks += [
        f"\n### `pgwatch {name}`\n\n```text\n{_own(text)}\n```\n"
        for name, text in texts.items()
        if name
    ]
    return "".join(blocks) + "\n"


def helps(words: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Give every command down to the last subcommand, and what it answers to --help at 100 columns."""
    text = _help(words)
    yield " ".join(words), text
    listed = re.search(r"^  (?:COMMAND|ACTION)\n((?: {4}.*\n)+)", text, re.MULTILINE)
    for name in re.findall(r"^ {4}(\w+)", listed[1], re.MULTILINE) if listed else ():
        yield from helps((*words, name))


def _help(words: Sequence[str]) -> str:
    output = io.StringIO()
    environment = mock.patch.dict(os.environ, {"COLUMNS": "100", "NO_COLOR": "1"})
    with environment, redirect_stdout(output), suppress(SystemExit):
        main([*words, "--help"])
    return output.getvalue()


def _common(text: str) -> str:
    found = re.search(r"^common options:\n(.*?)(?=\n\n|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[0].rstrip() + "\n"


def _own(text: str) -> str:
    return text.replace(_common(text), "").replace("\n\n\n", "\n\n").strip()


# The metrics


def metrics() -> str:
    """Return the tables of all metrics: of each pack, of probes, of pgwatch itself."""
    queries = load_catalog([share("queries")]).queries.values()
    packs: dict[str, list[Query]] = {}
    for query in queries:
        packs.setdefault(query.pack, []).append(query)
    parts = [
        _section(f"Pack `{pack}`", (row for query in of_pack for row in _rows(query)))
        for pack, of_pack in packs.items()
    ]
    up = Family("pg_up", MetricType.GAUGE, "Whether pgwatch has a session on the server")
    parts.insert(0, _section("Every target", [_row(up, (), UP)]))
    parts.append(_section("HTTP probes", _collected_rows(_http(), "http_probes")))
    host = LocalHostProbe(target="t").run(0)
    parts.append(
        _section("Host probes (`local` and `node_exporter`)", _collected_rows(host, "host"))
    )
    rows = [
        _row(OBJECTS, ("datname",), "migrations"),
        _row(PROBLEM, ("datname", *PROBLEM_LABELS), "migrations"),
    ]
    parts.append(_section("Migrations", rows))
    parts.append(_section("pgwatch about its queries", _collected_rows(_queries(), "pgwatch")))
    names = ("alertname", "alertstate", "severity")
    own = [_row(ALERT_COUNTS, names, "pgwatch"), *_process_rows()]
    parts.append(_section("pgwatch about itself", own))
    return "".join(parts) + "\n"


def _rows(query: Query) -> Iterator[str]:
    where = f"`{query.name}`, {format_duration(query.interval)}"
    extra = ("datname",) if query.scope is Scope.DATABASE else ()
    for metric in query.metrics:
        yield _row(metric.family, (*extra, *metric.labels), where, code=False)


def _http() -> Collected:
    """Return what a probe brings; nothing listens there, and a failure is an answer too."""
    return HttpProbe(name="p", url="http://127.0.0.1:9/", timeout=timedelta(seconds=1)).run(0)


def _queries() -> Collected:
    counted = QueryMetrics()
    source = Source("t", "core/q", "d")
    counted.observe(
        source,
        outcome="answered",
        time_ms=0,
        elapsed_seconds=0,
        answered=True,
        dropped={"duplicate": 1},
    )
    counted.observe_database_time(source, timedelta(0))
    counted.observe_overruns(source, 1)
    return counted.collected("t", 0)


def _collected_rows(collected: Collected, source: str) -> Iterator[str]:
    names: dict[str, set[str]] = {}
    for labels in collected.labels:
        names.setdefault(labels.label(METRIC_NAME), set()).update(labels)
    for family in collected.families:
        yield _row(family, sorted(names[family.name] - {METRIC_NAME, "target"}), source)


def _process_rows() -> Iterator[str]:
    """Give what pgwatch counts about its process; the `process_*` and `python_*` are the library's."""
    own = OwnMetrics(version="0")
    now = datetime(2026, 1, 1, tzinfo=UTC)
    own.evaluated("f;g", at=now, elapsed=timedelta(0), rules=1, failures=0)
    own.notified("log", "first notification")
    own.notification_failed("log")
    own.watch(Store())
    for family in text_string_to_metric_families(own.render().decode()):
        if family.name.startswith(("process_", "python_")):
            continue
        labels = sorted({name for sample in family.samples for name in sample.labels})
        # The parser takes `_total` off a counter's family; the series have it.
        name = family.samples[0].name
        yield _row(Family(name, MetricType(family.type), family.documentation), labels, "pgwatch")


def _row(family: Family, labels: Iterable[str], source: str, *, code: bool = True) -> str:
    named = ", ".join(labels)
    where = f"`{source}`" if code else source
    text = family.help.replace("|", "\\|").replace("\n", " ")
    return f"| `{family.name}` | {family.type} | {named} | {where} | {text} |"


def _section(title: str, rows: Iterable[str]) -> str:
    head = "| metric | type | labels | source | says |\n| --- | --- | --- | --- | --- |\n"
    return f"\n## {title}\n\n{head}" + "\n".join(rows) + "\n"


# The checks


def checks() -> str:
    """Return the table of the checks that no rule makes."""
    rows = [
        f"| `{one.name}` | `{one.phase}` | `{one.severity}` | {f'`{one.needs}`' if one.needs else ''} |"
        for one in EXTRA_SPECS
    ]
    head = "\n| check | phase | severity | with |\n| --- | --- | --- | --- |\n"
    return head + "\n".join(rows) + "\n\n"


PAGES = {"commands.md": commands, "metrics.md": metrics, "report.md": checks}


def write() -> None:
    """Write the generated part of each page anew."""
    for page, render in PAGES.items():
        path = FOLDER / page
        before, _, rest = path.read_text("utf-8").partition("<!-- generated -->\n")
        after = rest[rest.index("<!-- end -->") :]
        path.write_text(f"{before}<!-- generated -->\n{render()}{after}", "utf-8")


if __name__ == "__main__":
    write()
