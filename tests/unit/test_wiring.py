"""From settings to objects."""

import socket
from pathlib import Path

import pytest

from pgwatch.config.choose import choose_inputs
from pgwatch.errors import InputError
from pgwatch.probes.http import HttpProbe
from pgwatch.wiring import assemble


def written(folder: Path, text: str) -> Path:
    file = folder / "pgwatch.yml"
    file.write_text(text)
    return file


def test_a_probe_asks_as_configured(tmp_path: Path) -> None:
    config = written(
        tmp_path,
        "targets: [{name: db, dsn: 'host=x'}]\n"
        "http_probes: [{name: web, url: 'http://x/', method: HEAD, timeout: 2s, interval: 10s}]\n",
    )
    (probe,) = assemble(choose_inputs(config=config)).probes
    assert isinstance(probe, HttpProbe)
    assert (probe.method, probe.url) == ("HEAD", "http://x/")


@pytest.mark.parametrize(
    ("dsn", "names"),
    [
        ("postgresql://x/web", []),  # as the probe
        ("postgresql://x/db", ["db"]),  # as the target of the file
    ],
    ids=["probe", "target"],
)
def test_names_on_the_command_line_and_in_the_file_must_differ(
    tmp_path: Path, dsn: str, names: list[str]
) -> None:
    config = written(
        tmp_path,
        "targets: [{name: db, dsn: 'host=x'}]\nhttp_probes: [{name: web, url: 'http://x/'}]\n",
    )
    inputs = choose_inputs(dsns=[dsn], names=names, config=config)
    with pytest.raises(InputError, match="2 targets or probes are called"):
        assemble(inputs)


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ("external_url: https://pg.example/base/\n", "https://pg.example/base"),
        ("", "http://127.0.0.1:9432"),
        ("web: {listen: ':80'}\n", f"http://{socket.gethostname()}:80"),
        ("web: {listen: '[::1]:80'}\n", "http://[::1]:80"),
        ("web: {route_prefix: /pg/}\n", "http://127.0.0.1:9432/pg"),
    ],
    ids=["given", "default", "every address", "IPv6", "prefix"],
)
def test_links_lead_to_where_the_pages_are(tmp_path: Path, settings: str, url: str) -> None:
    config = written(
        tmp_path, f"{settings}external_labels: {{site: a}}\ntargets: [{{dsn: 'host=x'}}]\n"
    )
    house = assemble(choose_inputs(config=config))
    assert (house.surroundings.external_url, house.routing.external_url) == (url, url)
    assert house.surroundings.external_labels == {"site": "a"}


def test_an_external_url_is_the_place_of_the_pages(tmp_path: Path) -> None:
    config = written(
        tmp_path, "external_url: https://pg.example/?a=b\ntargets: [{dsn: 'host=x'}]\n"
    )
    with pytest.raises(InputError, match=r"without \? and #"):
        choose_inputs(config=config)


@pytest.mark.parametrize(
    ("settings", "prefix"),
    [
        ("", ""),
        ("external_url: https://pg.example/", ""),
        ("external_url: https://pg.example/base/", "/base"),
        ("external_url: https://pg.example/base\nweb: {route_prefix: /}", ""),
        ("external_url: https://pg.example/base\nweb: {route_prefix: /a/b}", "/a/b"),
        ("web: {route_prefix: foo/}", "/foo"),
    ],
)
def test_all_paths_begin_with_the_prefix(tmp_path: Path, settings: str, prefix: str) -> None:
    config = written(tmp_path, f"{settings}\ntargets: [{{dsn: 'host=x'}}]\n")
    assert assemble(choose_inputs(config=config)).route_prefix == prefix


@pytest.mark.parametrize("prefix", ["/a//b", "/../x", "/a b", "/{x}", "/a?b", "/ä", "/a/."])
def test_a_prefix_is_a_plain_path(tmp_path: Path, prefix: str) -> None:
    config = written(tmp_path, f"web: {{route_prefix: '{prefix}'}}\ntargets: [{{dsn: 'host=x'}}]\n")
    with pytest.raises(
        InputError, match=r"yml:1:7: web\.route_prefix: expected a path such as /pgwatch"
    ):
        choose_inputs(config=config)
