"""From settings to objects."""

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
