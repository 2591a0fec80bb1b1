"""`pgwatch rules lint`: what makes rules useless though they load."""

import argparse
import json
import sys
from pathlib import Path

from pgwatch.cli.settings import settings_inputs
from pgwatch.errors import InputError, Problem
from pgwatch.files import unreadable
from pgwatch.queries.catalog import Catalog
from pgwatch.queries.query import Scope
from pgwatch.rules.knowledge import Knowledge, MetricFacts, of_document, of_series
from pgwatch.rules.label_values import unknown_values
from pgwatch.rules.lint import LintFinding, lint
from pgwatch.rules.load import load_rules
from pgwatch.rules.since import Version, read_version
from pgwatch.rules.template_labels import missing_labels
from pgwatch.samples.sample import MetricType
from pgwatch.wiring import catalog_of, rule_groups
from pgwatch.yamlfile import load

EXIT_FOUND = 1
_DOCUMENTS = (".json", ".yml", ".yaml")
# What is not in the catalogue and has labels by circumstance.
_OWN = (
    "ALERTS",
    "ALERTS_FOR_STATE",
    "node_*",
    "pg_declared_object_problem",
    "pgwatch_*",
    "probe_*",
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "file",
        nargs="*",
        type=Path,
        metavar="FILE",
        help="rule files (default: the rules in force)",
    )
    parser.add_argument(
        "--metrics",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="further metrics that there are: a scraped page, or a list of names, types and labels"
        " (*.yml, *.json)",
    )
    parser.add_argument(
        "--target-version",
        type=_version,
        metavar="VERSION",
        help="the oldest Prometheus that has to load the rules, such as 2.42",
    )
    parser.set_defaults(act=run)


def run(arguments: argparse.Namespace) -> int:
    """Print what is wrong; 1 if anything is."""
    inputs = settings_inputs(arguments)
    groups = load_rules(arguments.file) if arguments.file else rule_groups(inputs)
    knowledge = catalogue_knowledge(catalog_of(inputs))
    for file in arguments.metrics:
        knowledge |= read_metrics(file)
    found = lint(groups, knowledge, target=arguments.target_version)
    warnings = unknown_values(groups) + missing_labels(groups, knowledge)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    rules = sum(len(group.rules) for group in groups)
    if arguments.json:
        print(json.dumps([_row(one) for one in found], indent=2, ensure_ascii=False))
    else:
        for one in found:
            place = f"{one.rule.file}:{one.rule.line}"
            print(f"{place}: {one.rule.name}: {one.defect}: {one.message}")
        wrong = len({one.rule.id for one in found})
        verdict = "good but for the warnings" if warnings else "all good"
        print(f"{rules} rules, {f'{wrong} with findings' if found else verdict}")
    return EXIT_FOUND if found else 0


def catalogue_knowledge(catalog: Catalog) -> Knowledge:
    """Return what is known of the metrics of `catalog`, and of those that pgwatch makes itself."""
    metrics = {name: MetricFacts() for name in _OWN}
    for query in catalog.queries.values():
        scope = {"datname"} if query.scope is Scope.DATABASE else set()
        for metric in query.metrics:
            own = frozenset({*metric.labels, *scope, "target"})
            before = metrics.get(metric.family.name)
            also = (before.labels if before else None) or own
            metrics[metric.family.name] = MetricFacts(
                labels=own | also,
                always=own & also,
                is_counter=metric.family.type is MetricType.COUNTER,
                interval=min(query.interval, (before and before.interval) or query.interval),
            )
    metrics["pg_up"] = MetricFacts(labels=frozenset({"target"}), always=frozenset({"target"}))
    return Knowledge(metrics)


def read_metrics(file: Path) -> Knowledge:
    """Return what `file` says of metrics: a document (see `of_document`), else a scraped page."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError([Problem(file=str(file), message=unreadable(file, error))]) from error
    if file.suffix in _DOCUMENTS:
        knowledge = of_document(load(text, file=str(file)).value)
    else:
        knowledge = _of_page(text, file)
    if not knowledge.metrics:
        message = "names no metric; write a list of {name: …, type: …, labels: [a, b]}"
        raise InputError([Problem(file=str(file), message=message)])
    return knowledge


def _of_page(text: str, file: Path) -> Knowledge:
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415 - slow to import

    try:
        families = list(text_string_to_metric_families(text))
    except (ValueError, KeyError, IndexError) as error:
        message = f"is no page of metrics in Prometheus's text format: {error}"
        raise InputError([Problem(file=str(file), message=message)]) from error
    return of_series(
        (sample.name, sample.labels, family.type == "counter")
        for family in families
        for sample in family.samples
    )


def _version(text: str) -> Version:
    try:
        return read_version(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _row(finding: LintFinding) -> dict[str, object]:
    rule = finding.rule
    return {
        "file": rule.file,
        "line": rule.line,
        "rule": rule.name,
        "defect": str(finding.defect),
        "message": finding.message,
    }
