"""The sample and the reference name every key that the schema has, and the sample loads."""

import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

from pgwatch.config.load import load_settings
from pgwatch.config.shape import key_paths
from tests.servers import ROOT

SAMPLE = (resources.files("pgwatch.config") / "samples" / "pgwatch.yml").read_text("utf-8")
REFERENCE = ROOT / "docs" / "reference" / "configuration.md"

# Keys that the sample shows in prose, because they exclude others or need another value.
IN_PROSE = {"targets[].service", "targets[].password", "targets[].host.url"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with everything that the sample's lines refer to."""
    for name in ("secrets", "my-queries", "my-alerts", "prisma/migrations"):
        (tmp_path / name).mkdir(parents=True)
    for name in (
        "secrets/main-password",
        "secrets/api-key",
        "secrets/gotify",
        "my-alerts/a.yml",
        "alertmanager.yml",
        "deploy.md",
        "web.yml",
    ):
        (tmp_path / name).write_text("x")
    monkeypatch.setenv("API_TOKEN", "token")
    monkeypatch.setenv("NTFY_URL", "ntfys://topic")
    return tmp_path


def given(value: Any, prefix: str = "") -> Iterator[str]:
    """The key paths of a document, as `key_paths` writes them."""
    for key, item in value.items():
        yield f"{prefix}{key}"
        if isinstance(item, dict):
            yield from given(item, f"{prefix}{key}.")
        elif isinstance(item, list) and item and isinstance(item[0], dict):
            yield from given(item[0], f"{prefix}{key}[].")


def test_the_sample_loads_as_it_is(folder: Path) -> None:
    (folder / "pgwatch.yml").write_text(SAMPLE)
    settings = load_settings(folder / "pgwatch.yml")
    assert [target.name for target in settings.targets] == ["main"]


def test_the_sample_loads_with_every_line_in_use_and_has_every_key(folder: Path) -> None:
    text = re.sub(r"^#(?=[^ #\n]|  )(?! {3,}pgwatch )", "", SAMPLE, flags=re.MULTILINE)
    file = folder / "pgwatch.yml"
    file.write_text(text)
    settings = load_settings(file)
    assert settings.http_probes[0].name == "workflow_status"
    expected = {path for path in key_paths() if not path.startswith("defaults.")} - IN_PROSE
    assert expected <= set(given(yaml.safe_load(text)))


def test_keys_in_prose_are_named_in_the_sample() -> None:
    for path in IN_PROSE:
        assert re.search(rf"\b{path.rpartition('.')[2]}\b", SAMPLE)


def test_the_reference_has_exactly_the_keys_of_the_schema() -> None:
    documented = re.findall(r"^\| `([a-z_.\[\]]+)` \|", REFERENCE.read_text("utf-8"), re.MULTILINE)
    expected = [path for path in key_paths() if not path.startswith("defaults.")]
    assert sorted(documented) == sorted(expected)
