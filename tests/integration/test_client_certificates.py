"""A receiver that wants to see a certificate, from `alertmanager.yml` to the answer."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pgwatch.cli.main import main
from tests.integration.test_http_config import https
from tests.receivers import throwaway_certificate

CONFIG = """
route: {{receiver: r}}
receivers:
  - name: r
    webhook_configs:
      - url: {url}
        http_config: {{tls_config: {{ca_file: server.pem{more}}}}}
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that takes only one client's certificate, which signs its own, too."""
    with https(throwaway_certificate(tmp_path_factory.getbasetemp()), client=True) as url:
        yield url


@pytest.fixture
def folder(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The server's certificate and its key, and another client's; the command runs elsewhere."""
    base = tmp_path_factory.getbasetemp()
    (tmp_path / "server.pem").write_text((base / "certificate.pem").read_text())
    (tmp_path / "own.key").write_text((base / "key.pem").read_text())
    (tmp_path / "elsewhere").mkdir()
    throwaway_certificate(tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path


@pytest.mark.parametrize(
    ("more", "status", "said"),
    [
        (", cert_file: server.pem, key_file: own.key", 0, "r/webhook[0]: delivered"),
        ("", 1, "cannot reach the receiver"),
        (
            ", cert_file: elsewhere/certificate.pem, key_file: elsewhere/key.pem",
            1,
            "cannot reach the receiver",
        ),
        (", cert_file: server.pem, key_file: elsewhere/key.pem", 1, "KEY_VALUES_MISMATCH"),
    ],
    ids=["its own", "none", "another's", "the key of another"],
)
def test_client_certificate(
    more: str, status: int, said: str, url: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "am.yml").write_text(CONFIG.format(url=url, more=more))
    config = folder / "pgwatch.yml"
    config.write_text("alertmanager_config: am.yml\n")
    assert main(["notify", "test", "r", "--config", str(config)]) == status
    out = capsys.readouterr()
    assert said in out.out + out.err
    assert "PRIVATE KEY" not in out.out + out.err
