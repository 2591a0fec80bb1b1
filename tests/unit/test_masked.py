"""An alertmanager.yml without its secrets, which Alertmanager's own tools still read."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from pgwatch.config.alertmanager import load_alertmanager
from tests.servers import missing_peer

SECRETS = ("zebra-1", "zebra-2", "zebra-3", "zebra-4", "zebra-5")
NEWER = """
route: {receiver: all}
receivers:
  - name: all
    webhook_configs:
      - url: http://hook/zebra-3
        http_config:
          http_headers: {X: {secrets: [zebra-1], values: [shown]}}
          proxy_url: http://p
          proxy_connect_header: {Y: [zebra-2]}
          oauth2: {client_id: me, client_secret: zebra-4, token_url: http://tokens}
    telegram_configs: [{bot_token: zebra-5, chat_id: 1}]
"""
CONFIG = """
global:
  smtp_auth_password: zebra-1
  smtp_smarthost: mail.example.org:587
  smtp_from: a@example.org
  http_config: {proxy_url: 'http://user:zebra-2@proxy:3128'}
route: {receiver: all, group_wait: 1s}
receivers:
  - name: all
    webhook_configs:
      - url: http://hook/zebra-3
        http_config: {basic_auth: {username: ada, password: zebra-4}}
    slack_configs:
      - api_url: https://hooks.slack.com/zebra-5
        channel: '#ops'
        actions: [{type: button, text: t, url: 'https://runbook'}]
    email_configs: [{to: ada@example.org}]
"""


def test_no_secret_is_left_and_the_rest_is(tmp_path: Path) -> None:
    path = tmp_path / "am.yml"
    path.write_text(CONFIG)
    original = load_alertmanager(path).original
    assert not any(secret in original for secret in SECRETS)
    shown = yaml.safe_load(original)
    assert shown["route"] == {"receiver": "all", "group_wait": "1s"}
    (slack,) = shown["receivers"][0]["slack_configs"]
    assert slack["actions"][0]["url"] == "https://runbook"
    assert slack["api_url"] == "<secret>"


def test_secrets_of_newer_keys_are_hidden_too(tmp_path: Path) -> None:
    path = tmp_path / "am.yml"
    path.write_text(NEWER)
    original = load_alertmanager(path).original
    assert not any(secret in original for secret in SECRETS)
    assert "shown" in original
    path.write_text(original)
    assert load_alertmanager(path).receivers["all"].channels


@pytest.mark.peer
def test_alertmanager_reads_it(tmp_path: Path) -> None:
    if (program := shutil.which("amtool")) is None:
        missing_peer("amtool")
    path = tmp_path / "am.yml"
    path.write_text(CONFIG)
    path.write_text(load_alertmanager(path).original)
    done = subprocess.run([program, "check-config", str(path)], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
