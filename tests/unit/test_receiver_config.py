"""Receivers of alertmanager.yml: every key arrives, and each mistake is told at its place."""

import shutil
import subprocess
from pathlib import Path

import pytest

from pgwatch.config.alertmanager import parse_alertmanager
from pgwatch.errors import InputError
from pgwatch.notify.receiver import ChannelSettings, EmailSettings, SlackSettings, WebhookSettings
from pgwatch.notify.route import Routing
from pgwatch.notify.services import (
    DiscordSettings,
    OpsGenieSettings,
    PagerDutySettings,
    TeamsSettings,
    TelegramSettings,
)
from tests.servers import missing_peer

# What Debian's Alertmanager 0.25 knows of all this.
OLD = """
global:
  opsgenie_api_key: global-key
  smtp_smarthost: mail.example.org:587
  smtp_from: pgwatch@example.org
  smtp_auth_username: pgwatch
  smtp_auth_password: hunter2
  smtp_auth_secret: hunter3
  smtp_auth_identity: someone
route: {receiver: all}
receivers:
  - name: all
    pagerduty_configs:
      - routing_key: r-key
        client: me
        client_url: http://me
        description: '{{ template "pagerduty.default.description" . }}'
        severity: '{{ .CommonLabels.severity }}'
        class: deploy
        component: db
        group: g
        details: {firing: '{{ template "pagerduty.default.instances" .Alerts.Firing }}'}
        images: [{src: http://i, alt: a, href: http://h}]
        links: [{href: http://l, text: t}]
    opsgenie_configs:
      - message: m
        description: d
        source: s
        details: {a: b}
        entity: e
        responders: [{name: dba, type: team}]
        actions: a,b
        tags: x,y
        note: n
        priority: P2
        update_alerts: true
    discord_configs:
      - {webhook_url: 'https://discord.com/api/webhooks/1/x', title: t, message: m}
    telegram_configs:
      - {bot_token: 't:1', chat_id: -5, message: m, parse_mode: MarkdownV2, disable_notifications: true}
    slack_configs:
      - api_url: https://hooks.slack.com/services/x
        channel: '#{{ .CommonLabels.team }}'
        username: u
        title: t
        title_link: http://t
        text: '{{ template "slack.default.text" . }}'
        pretext: p
        fallback: f
        footer: o
        color: '{{ if eq .Status "firing" }}danger{{ else }}good{{ end }}'
        callback_id: c
        image_url: http://i
        thumb_url: http://t
        icon_emoji: ':x:'
        icon_url: http://u
        link_names: true
        short_fields: true
        mrkdwn_in: [text]
        fields: [{title: a, value: b}, {title: c, value: d, short: false}]
        actions: [{type: button, text: Page, url: 'http://{{ .Status }}', style: danger}]
    email_configs:
      - to: '{{ .CommonLabels.owner }}@example.org'
        html: '{{ template "email.default.html" . }}'
        text: '{{ template "__subject" . }}'
        headers: {Subject: '{{ template "email.default.subject" . }}'}
    webhook_configs:
      - url: http://x
        http_config:
          oauth2:
            client_id: i
            client_secret: s
            token_url: http://tokens
            scopes: [a]
            endpoint_params: {b: c}
            proxy_url: http://p
          no_proxy: a,b
          proxy_url: http://q
          proxy_connect_header: {X: [y]}
          follow_redirects: false
          enable_http2: false
          tls_config: {ca: PEM, server_name: n, min_version: TLS12}
"""
# And what only newer ones know.
NEW = """
global: {slack_app_token: xoxb, telegram_bot_token: t}
route: {receiver: all}
receivers:
  - name: all
    msteamsv2_configs: [{webhook_url_file: teams, title: t, text: x, timeout: 3s}]
    telegram_configs: [{chat_id_file: chat, message_thread_id: 4}]
    discord_configs: [{webhook_url: 'https://d/x', content: c, username: u, avatar_url: 'http://a'}]
    slack_configs:
      - {channel: '#a', message_text: hello}
      - channel: '#b'
        app_token_file: token
        app_url: http://slack/api/chat.postMessage
        update_message: false
      - channel: '#c'
        api_url: https://slack.com/api/chat.postMessage
        http_config: {authorization: {credentials: xoxb-2}}
    pagerduty_configs: [{routing_key_file: key, timeout: 5s}]
    email_configs:
      - to: a@b
        from: c@d
        smarthost: m:465
        force_implicit_tls: true
        threading: {enabled: true, thread_by_date: daily}
        auth_secret_file: secret
        tls_config: {server_name: mail}
    webhook_configs:
      - url: http://x/{{ .CommonLabels.team }}
        http_config:
          proxy_from_environment: true
          http_headers: {X-A: {values: [one]}, X-B: {files: [b]}}
"""


def parse(text: str) -> Routing:
    return parse_alertmanager(text, Path("/etc/am.yml"))


def channels(text: str) -> dict[str, ChannelSettings]:
    routing = parse(text)
    return {one.name: one for one in routing.receivers["all"].channels}


def test_every_key_arrives() -> None:
    found = channels(OLD)
    pagerduty = found["pagerduty[0]"]
    assert isinstance(pagerduty, PagerDutySettings)
    assert (pagerduty.class_, pagerduty.component, pagerduty.group) == ("deploy", "db", "g")
    assert pagerduty.url == "https://events.pagerduty.com/v2/enqueue"
    assert pagerduty.images[0].src == "http://i"
    assert (pagerduty.links[0].text, list(pagerduty.details)) == ("t", ["firing"])
    opsgenie = found["opsgenie[0]"]
    assert isinstance(opsgenie, OpsGenieSettings)
    assert opsgenie.api_key.reveal() == "global-key"
    assert opsgenie.responders[0].name == "dba"
    assert (opsgenie.priority, opsgenie.update_alerts) == ("P2", True)
    telegram = found["telegram[0]"]
    assert isinstance(telegram, TelegramSettings)
    assert (telegram.chat_id.reveal(), telegram.parse_mode) == ("-5", "MarkdownV2")
    slack = found["slack[0]"]
    assert isinstance(slack, SlackSettings)
    assert [one.short for one in slack.fields] == [True, False]
    assert (slack.actions[0].style, slack.mrkdwn_in, slack.link_names) == (
        "danger",
        ("text",),
        True,
    )
    email = found["email[0]"]
    assert isinstance(email, EmailSettings)
    assert email.secret is not None
    assert (email.secret.reveal(), email.identity) == ("hunter3", "someone")
    assert email.text == '{{ template "__subject" . }}'
    webhook = found["webhook[0]"]
    assert isinstance(webhook, WebhookSettings)
    oauth2 = webhook.http.oauth2
    assert oauth2 is not None
    assert (oauth2.client_id, oauth2.scopes, dict(oauth2.endpoint_params)) == (
        "i",
        ("a",),
        {"b": "c"},
    )
    assert (webhook.http.proxy.no_proxy, webhook.http.tls.server_name) == ("a,b", "n")
    assert isinstance(found["discord[0]"], DiscordSettings)
    warnings = parse(OLD).warnings
    assert len(warnings) == 1, warnings
    assert "proxy_connect_header" in warnings[0]


def test_newer_keys_arrive() -> None:
    found = channels(NEW)
    slack = [one for one in found.values() if isinstance(one, SlackSettings)]
    tokens = [one.token and (one.token.file or one.token.value) for one in slack]
    assert tokens == ["xoxb", Path("/etc/token"), "xoxb-2"]
    assert [one.update_message for one in slack] == [True, False, True]
    assert slack[0].api_url.reveal() == "https://slack.com/api/chat.postMessage"
    teams, telegram = found["msteamsv2[0]"], found["telegram[0]"]
    assert isinstance(teams, TeamsSettings)
    assert teams.webhook_url.file == Path("/etc/teams")
    assert teams.http.timeout.total_seconds() == 3
    assert isinstance(telegram, TelegramSettings)
    assert (telegram.chat_id.file, telegram.message_thread_id) == (Path("/etc/chat"), 4)
    email = found["email[0]"]
    assert isinstance(email, EmailSettings)
    assert (email.thread_by_date, email.implicit_tls, email.tls.server_name) == (True, True, "mail")
    webhook = found["webhook[0]"]
    assert isinstance(webhook, WebhookSettings)
    assert [name for name, _ in webhook.http.headers] == ["X-A", "X-B"]
    assert webhook.http.proxy.from_environment
    assert not parse(NEW).warnings


def test_secrets_are_in_no_repr() -> None:
    shown = repr(parse(OLD)) + repr(parse(NEW))
    for secret in ("r-key", "global-key", "t:1", "services/x", "hunter2", "hunter3", "xoxb-2"):
        assert secret not in shown


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("pagerduty_configs: [{}]", "expected either routing_key or routing_key_file"),
        (
            "pagerduty_configs: [{routing_key: a, routing_key_file: b}]",
            "expected either routing_key",
        ),
        ("pagerduty_configs: [{routing_key: a, clas: b}]", "unknown key; did you mean class"),
        ("opsgenie_configs: [{}]", "no key: set api_key, api_key_file or global opsgenie_api_key"),
        ("opsgenie_configs: [{api_key: a, responders: [{}]}]", "needs a type and one of id, name"),
        ("msteamsv2_configs: [{}]", "expected either webhook_url or webhook_url_file"),
        ("discord_configs: [{webhook_url: ftp://x}]", "expected an address that begins with http"),
        ("telegram_configs: [{bot_token: t}]", "expected either chat_id or chat_id_file"),
        ("telegram_configs: [{chat_id: 1}]", "no key: set bot_token"),
        ("telegram_configs: [{bot_token: t, chat_id: 1, parse_mode: BB}]", "expected '', 'HTML'"),
        ("slack_configs: [{app_token: x}]", "a bot needs a channel"),
        (
            "slack_configs: [{app_token: x, api_url: 'http://x', channel: y}]",
            "expected either an app_",
        ),
        (
            "email_configs: [{to: a@b, from: c@d, smarthost: 'm:1', threading: {enabled: true}}]",
            "expected thread_by_date: none or daily",
        ),
        (
            "email_configs: [{to: a@b, from: c@d, smarthost: 'm:1', headers: {A: b, a: c}}]",
            "this header stands twice",
        ),
        (
            "webhook_configs: [{url: 'http://x', http_config: {basic_auth: {}, oauth2: {}}}]",
            "at most one of basic_auth, authorization and oauth2",
        ),
        (
            "webhook_configs: [{url: 'http://x', http_config: {oauth2: {client_id: a}}}]",
            "needs client_secret (or client_secret_file), token_url",
        ),
        (
            "webhook_configs: [{url: 'http://x', http_config: {tls_config: {cert: a}}}]",
            "a client certificate needs both cert and key",
        ),
        (
            "webhook_configs: [{url: 'http://x', http_config: {http_headers: {Host: {}}}}]",
            "pgwatch sets this header itself",
        ),
        (
            "webhook_configs: [{url: 'http://x', http_config: {tls_config: {min_version: TLS9}}}]",
            "expected '', 'TLS10'",
        ),
    ],
)
def test_mistakes(config: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(f"route: {{receiver: r}}\nreceivers:\n  - name: r\n    {config}\n")
    said = [str(one) for one in caught.value.problems if message in str(one)]
    assert said, str(caught.value)
    assert said[0].startswith("/etc/am.yml:4:")


def test_old_pagerduty_is_told_as_undeliverable() -> None:
    routing = parse(
        "route: {receiver: r}\nreceivers:\n  - name: r\n    webhook_configs: [{url: 'http://x'}]\n"
        "    pagerduty_configs: [{service_key: s}]\n"
    )
    assert routing.receivers["r"].undeliverable == ("pagerduty_configs with service_key",)
    assert "does not deliver pagerduty_configs with service_key" in routing.warnings[0]


@pytest.mark.peer
def test_amtool_accepts_what_we_load(tmp_path: Path) -> None:
    amtool = shutil.which("amtool")
    if amtool is None:
        missing_peer("amtool")
    file = tmp_path / "alertmanager.yml"
    newer = ("no_proxy: a,b", "proxy_connect_header", "ca: PEM")
    lines = [line for line in OLD.splitlines() if not any(key in line for key in newer)]
    file.write_text("\n".join(lines), encoding="utf-8")
    checked = subprocess.run(
        [amtool, "check-config", str(file)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr + checked.stdout
