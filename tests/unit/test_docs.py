"""The documentation says what is true: links lead somewhere, examples load, lists are complete."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from starlette.routing import BaseRoute, Mount

from pgwatch.cli.main import COMMANDS, _parser, main
from pgwatch.cli.options import defaults
from pgwatch.config.alertmanager import load_alertmanager
from pgwatch.config.choose import Inputs
from pgwatch.config.load import load_settings
from pgwatch.config.schema import Settings
from pgwatch.queries.catalog import load_catalog
from pgwatch.queries.header import parse_query
from pgwatch.rules.load import load_rules
from pgwatch.share import share
from pgwatch.web.app import create_app
from pgwatch.wiring import rule_groups
from tests import reference_pages
from tests.integration.test_web import Daemon
from tests.pages import DOCS, Block, anchors, answer, block, blocks, commands, guides, links, pages
from tests.servers import ROOT, missing_peer

YAML = [one for page in guides() for one in blocks(page, "yaml")]
PROMETHEUS = {"scrape_configs", "rule_files", "relabel_configs"}


def keys(text: str) -> set[str]:
    return set(yaml.safe_load(text))


def of_kind(*names: str) -> list[Block]:
    return [one for one in YAML if keys(one.text) & set(names)]


SETTINGS = [one for one in YAML if keys(one.text) <= set(Settings.model_fields)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the how-tos write."""
    monkeypatch.setenv("APP_PASSWORD", "x")
    (tmp_path / "my-queries" / "shop").mkdir(parents=True)
    (tmp_path / "my-queries" / "shop" / "orders.sql").write_text(
        block("how-to/write-a-query.md", "sql", "shop_orders")
    )
    (tmp_path / "my-alerts").mkdir()
    (tmp_path / "my-alerts" / "shop.yml").write_text(
        block("how-to/write-a-rule.md", "yaml", "groups:")
    )
    (tmp_path / "alertmanager.yml").write_text(block("how-to/notify.md", "yaml", "receivers:"))
    return tmp_path


# Links


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, fragment = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {link}"
        if fragment:
            assert fragment in anchors(target), f"{page.name}: {link}"


def test_every_page_can_be_reached_from_the_index() -> None:
    reached: set[Path] = set()
    waiting = [DOCS / "README.md", ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        found = ((page.parent / link.partition("#")[0]).resolve() for link in links(page))
        waiting += [one for one in found if one.suffix == ".md" and one.exists()]
        waiting = [one for one in waiting if one not in reached]
    assert {page for page in guides() if page.is_relative_to(DOCS)} <= reached


# Commands


@pytest.mark.parametrize(
    "one", [b for page in guides() for b in blocks(page, "console")], ids=lambda one: str(one.id)
)
def test_commands_exist_with_their_options(one: Block) -> None:
    for arguments in commands(one):
        _parser().parse_args(arguments, defaults())  # ends the process where it cannot


def test_every_command_is_told_with_its_exit_status() -> None:
    table = (DOCS / "reference" / "commands.md").read_text("utf-8").partition("\n## ")[0]
    told = [tuple(words) for words in re.findall(r"^\| `pgwatch (\w+)(.*?)`", table, re.MULTILINE)]
    assert {name for name, _ in told} == set(COMMANDS)
    assert len(told) == len(set(told))


def test_commands_of_the_unit_exist() -> None:
    unit = block("how-to/run-as-a-service.md", "ini")
    found = re.findall(r"^Exec\w+=\S+/pgwatch (.*)$", unit, re.MULTILINE)
    assert len(found) == 2
    for arguments in found:
        _parser().parse_args(arguments.split(), defaults())


@pytest.mark.parametrize("page", reference_pages.PAGES)
def test_generated_parts_are_up_to_date(page: str) -> None:
    def essence(text: str) -> str:
        # Python's versions wrap differently, and from 3.13 on they write `-t, --target TARGET`.
        return re.sub(r"-t TARGET, --target|\s+", "", text.replace("-t, --target", ""))

    written, real = reference_pages.written(page), reference_pages.PAGES[page]()
    assert essence(written) == essence(real), "run: python -m tests.reference_pages"


# Examples of files


def test_every_yaml_example_is_of_a_kind_that_is_tested() -> None:
    tested = [*SETTINGS, *of_kind("groups", "receivers", "tests", "requires", *PROMETHEUS)]
    tested += of_kind("tls_server_config")  # by test_web_file.py
    tested += blocks(DOCS / "how-to/use-in-ci.md", "yaml")  # by integration/test_ci_examples.py
    assert [one.id for one in YAML if one not in tested] == []


@pytest.mark.parametrize("one", SETTINGS, ids=lambda one: str(one.id))
def test_examples_of_the_configuration_load_with_all_that_they_name(
    one: Block, folder: Path
) -> None:
    file = folder / "pgwatch.yml"
    file.write_text(one.text)
    settings = load_settings(file)
    rule_groups(Inputs(targets=(), settings=settings, file=file))
    if settings.alertmanager_config is not None:
        load_alertmanager(settings.alertmanager_config)


def test_query_example_is_in_the_catalogue(folder: Path) -> None:
    query = load_catalog([share("queries"), folder / "my-queries"]).queries["shop/orders"]
    assert [metric.family.name for metric in query.metrics] == [
        "shop_orders_waiting",
        "shop_oldest_order_timestamp_seconds",
    ]


def test_examples_of_requires_and_variants_are_read(folder: Path) -> None:
    page = "how-to/write-a-query.md"
    requires, statements = block(page, "yaml", "requires:"), block(page, "sql", "-- version")
    header = "help: h\nmetrics: {m: {type: gauge, value: num_timed, help: h}}\n"
    query = parse_query(f"/*\n{header}{requires}*/\n{statements}", name="p/q", path=Path("q.sql"))
    assert query.requires.privileges == ("pg_read_all_stats",)
    assert [str(variant.versions) for variant in query.variants] == ["<17"]


def test_query_page_names_every_key_of_the_header() -> None:
    text = (DOCS / "how-to" / "write-a-query.md").read_text("utf-8")
    documented = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    with pytest.raises(Exception, match="unknown key; one of") as caught:
        parse_query("/*\nx: 1\nmetrics: {m: {x: 1}}\n*/\nSELECT 1;", name="p/q", path=Path("q.sql"))
    known = re.findall(r"unknown key; one of ([\w, ]+)", str(caught.value))
    assert documented == [key for keys in known for key in keys.split(", ")]


def test_rule_example_loads(folder: Path) -> None:
    (group,) = load_rules([folder / "my-alerts" / "shop.yml"])
    assert [rule.name for rule in group.rules] == ["ShopOrdersWaiting"]


def test_alertmanager_example_loads_without_a_warning(folder: Path) -> None:
    routing = load_alertmanager(folder / "alertmanager.yml")
    assert routing.warnings == ()
    assert sorted(routing.receivers) == ["dba", "nobody", "on-call"]


def test_route_test_passes_as_the_page_shows(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = "how-to/test-your-routes.md"
    (folder / "routes_test.yml").write_text(block(page, "yaml", "tests:"))
    monkeypatch.chdir(folder)
    assert main(["route", "test", "routes_test.yml"]) == 0
    assert capsys.readouterr().out in block(page, "console", "route test")


def test_json_examples_are_json() -> None:
    found = [one for page in guides() for one in blocks(page, "json")]
    assert found
    for one in found:
        json.loads(one.text)


# Lists


def test_role_page_lists_every_query_that_needs_a_privilege() -> None:
    text = (DOCS / "how-to" / "monitoring-role.md").read_text("utf-8")
    documented = dict(re.findall(r"^\| `([\w/]+)` \| `(\w+)` \|", text, re.MULTILINE))
    catalog = load_catalog([share("queries")])
    real = {
        q.name: q.requires.privileges[0] for q in catalog.queries.values() if q.requires.privileges
    }
    assert documented == real


def test_http_page_lists_every_path() -> None:
    text = (DOCS / "reference" / "http.md").read_text("utf-8")
    documented = re.findall(r"^\| `(?:POST )?(/[^`]*)` \|", text, re.MULTILINE)
    app = create_app(Daemon().providers())
    paths = [re.sub(r"\{\w+(:path)?\}", "NAME", path) for path in paths_of(app.routes)]
    # What catches all that is wrong has no place in a list of what there is.
    real = [path for path in paths if path == "/metrics/NAME" or not path.endswith("/NAME")]
    assert sorted(documented) == sorted(real)


def paths_of(routes: Sequence[BaseRoute], prefix: str = "") -> Iterator[str]:
    for route in routes:
        path = prefix + getattr(route, "path", "")
        if isinstance(route, Mount):
            yield from paths_of(route.routes, path)
        else:
            yield path


def test_shipped_counts_are_right() -> None:
    """`config check` in start.md counts the catalogue and the rules of the day."""
    counted = answer("start.md", "pgwatch config check")
    queries = len(load_catalog([share("queries")]).queries)
    rules = sum(len(group.rules) for group in rule_groups(None))
    assert counted == f"pgwatch.yml: OK (1 target, {queries} queries, {rules} rules)\n"


# Other programs read the examples for them


def run(*command: str, folder: Path) -> None:
    if shutil.which(command[0]) is None:
        missing_peer(command[0])
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.peer
@pytest.mark.parametrize("one", of_kind("scrape_configs"), ids=lambda one: str(one.id))
def test_prometheus_takes_the_scrape_configuration(one: Block, tmp_path: Path) -> None:
    (tmp_path / "prometheus.yml").write_text(one.text)
    run("promtool", "check", "config", "prometheus.yml", folder=tmp_path)


@pytest.mark.peer
def test_promtool_runs_the_test_of_the_rule(folder: Path) -> None:
    (folder / "shop_test.yml").write_text(block("how-to/write-a-rule.md", "yaml", "tests:"))
    run("promtool", "test", "rules", "shop_test.yml", folder=folder)


@pytest.mark.peer
def test_alertmanager_takes_the_routing(folder: Path) -> None:
    run("amtool", "check-config", "alertmanager.yml", folder=folder)


def relabelled(text: str) -> Any:
    return yaml.safe_load(text)["relabel_configs"]


@pytest.mark.peer
def test_prometheus_takes_the_relabelling(tmp_path: Path) -> None:
    (one,) = of_kind("relabel_configs")
    jobs = [{"job_name": "j", "relabel_configs": relabelled(one.text)}]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump({"scrape_configs": jobs}))
    run("promtool", "check", "config", "prometheus.yml", folder=tmp_path)
