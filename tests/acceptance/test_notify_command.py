"""`pgwatch notify test` as people run it, against receivers that take the message or refuse it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pgwatch.cli import logs
from pgwatch.cli.main import main
from pgwatch.demo.server import free_port
from tests.receivers import Answer, HttpReceiver, MailReceiver

# A webhook's address is its password.
SECRET = "T024/B061/sesame4711"


def pgwatch(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "STATE_DIRECTORY"))}
    return subprocess.run(
        [sys.executable, "-m", "pgwatch", *arguments],
        cwd=cwd,
        env=clean,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def notify(cwd: Path, receiver: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Send the test message as `alertmanager.yml` in `cwd` has it; no output may name the address."""
    file = ("--alertmanager-config", "alertmanager.yml")
    done = pgwatch("notify", "test", receiver, *file, *options, cwd=cwd)
    assert "sesame" not in done.stdout + done.stderr
    return done


def write_routing(folder: Path, *receivers: dict[str, Any]) -> None:
    routing = {
        "global": {"smtp_from": "pgwatch@example.org", "smtp_require_tls": False},
        "route": {"receiver": receivers[0]["name"]},
        "receivers": list(receivers),
    }
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(routing))


def slack(url: str) -> dict[str, Any]:
    return {"api_url": f"{url}/{SECRET}", "channel": "#database"}


def test_every_channel_of_a_receiver_gets_the_message(tmp_path: Path) -> None:
    with HttpReceiver() as http, MailReceiver() as mail:
        write_routing(
            tmp_path,
            {
                "name": "team",
                "slack_configs": [slack(http.url)],
                "webhook_configs": [{"url": f"{http.url}/hook/{SECRET}"}],
                "email_configs": [
                    {"to": "oncall@example.org", "smarthost": f"127.0.0.1:{mail.port}"}
                ],
            },
            {"name": "others", "webhook_configs": [{"url": f"{http.url}/others"}]},
        )
        done = notify(tmp_path, "team")
        requests = {request.path: request.json for request in http.requests}
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert sorted(line.split(": ")[0] for line in done.stdout.splitlines()) == [
        "team/email[0]",
        "team/slack[0]",
        "team/webhook[0]",
    ]
    assert all(": delivered" in line for line in done.stdout.splitlines())

    assert set(requests) == {f"/{SECRET}", f"/hook/{SECRET}"}
    assert "PgwatchTest" in str(requests[f"/{SECRET}"])
    hook = requests[f"/hook/{SECRET}"]
    assert (hook["version"], hook["receiver"]) == ("4", "team")
    assert [alert["labels"]["alertname"] for alert in hook["alerts"]] == ["PgwatchTest"]
    (message,) = mail.mails
    assert (message["To"], message["From"]) == ("oncall@example.org", "pgwatch@example.org")
    assert "PgwatchTest" in message["Subject"]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Answer(status=403, body="invalid_token"), "answered 403: invalid_token"),
        (Answer(status=503, body=f"no route to /{SECRET}"), "answered 503"),
        (Answer(status=302, headers={"Location": "/elsewhere"}), "redirects (302)"),
    ],
    ids=["refused", "quotes the address", "redirects"],
)
def test_a_refusal_is_told_with_status_1(tmp_path: Path, answer: Answer, told: str) -> None:
    with HttpReceiver(answer) as http:
        write_routing(tmp_path, {"name": "team", "slack_configs": [slack(http.url)]})
        done = notify(tmp_path, "team")
    assert done.returncode == 1
    assert done.stdout.startswith("team/slack[0]: not delivered: ")
    assert told in done.stdout


def test_one_channel_that_fails_keeps_no_other_from_its_message(tmp_path: Path) -> None:
    with HttpReceiver() as http:
        nobody = f"http://127.0.0.1:{free_port()}"
        hook = {"url": f"{http.url}/hook"}
        write_routing(
            tmp_path,
            {"name": "team", "slack_configs": [slack(nobody)], "webhook_configs": [hook]},
        )
        done = notify(tmp_path, "team")
        assert [request.path for request in http.requests] == ["/hook"]
    assert done.returncode == 1
    assert "team/slack[0]: not delivered: cannot reach the receiver: no connection" in done.stdout
    assert "team/webhook[0]: delivered" in done.stdout


def test_mail_server_that_refuses(tmp_path: Path) -> None:
    with MailReceiver(reply="554 5.7.1 no spam, please") as mail:
        to = {"to": "oncall@example.org", "smarthost": f"127.0.0.1:{mail.port}"}
        write_routing(tmp_path, {"name": "team", "email_configs": [to]})
        done = notify(tmp_path, "team")
    assert done.returncode == 1
    assert "team/email[0]: not delivered: " in done.stdout
    assert "554" in done.stdout


def test_unknown_receiver_is_a_usage_error_that_names_the_known(tmp_path: Path) -> None:
    write_routing(tmp_path, {"name": "team"}, {"name": "pager"})
    done = notify(tmp_path, "taem")
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no receiver 'taem'; there are pager, team" in done.stderr


def test_receiver_without_a_channel_is_no_success(tmp_path: Path) -> None:
    write_routing(tmp_path, {"name": "nobody"})
    done = notify(tmp_path, "nobody")
    assert done.returncode == 1
    assert "nobody has no channel, so nothing was sent" in done.stdout


def test_channel_that_pgwatch_has_not_is_named(tmp_path: Path) -> None:
    pushover = {"user_key": "sesame1", "token": "sesame2"}
    with HttpReceiver() as http:
        hook = {"url": f"{http.url}/hook"}
        write_routing(
            tmp_path, {"name": "pager", "pushover_configs": [pushover], "webhook_configs": [hook]}
        )
        done = notify(tmp_path, "pager")
    assert done.returncode == 0, done.stdout
    assert "pager/pushover_configs: not deliverable here" in done.stdout
    assert "pager/webhook[0]: delivered" in done.stdout


def test_without_a_configuration_it_says_how_to_name_one(tmp_path: Path) -> None:
    if Path("/etc/pgwatch/pgwatch.yml").exists():
        pytest.skip("this machine has a configuration of its own")
    done = pgwatch("notify", "test", "team", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--alertmanager-config" in done.stderr


def test_file_that_is_named_in_pgwatch_yml_is_found(tmp_path: Path) -> None:
    (tmp_path / "pgwatch.yml").write_text("alertmanager_config: alertmanager.yml\n")
    with HttpReceiver() as http:
        write_routing(tmp_path, {"name": "team", "slack_configs": [slack(http.url)]})
        done = pgwatch("notify", "test", "team", cwd=tmp_path)
        assert len(http.requests) == 1
    assert done.returncode == 0, done.stdout + done.stderr


def test_broken_file_is_told_with_its_line_and_without_its_secrets(tmp_path: Path) -> None:
    (tmp_path / "alertmanager.yml").write_text(
        "route: {receiver: team}\nreceivers:\n"
        f"  - name: team\n    slack_configs: [{{api_url: 'hxxp://h/{SECRET}', chanel: x}}]\n"
    )
    done = notify(tmp_path, "team")
    assert (done.returncode, done.stdout) == (2, "")
    assert "alertmanager.yml:4" in done.stderr


def test_what_only_pgwatch_knows_is_masked_whatever_goes_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logs, "_hidden", set())
    config = tmp_path / "am.yml"
    config.write_text(
        "route: {receiver: team}\n"
        "receivers: [{name: team, webhook_configs: [{url: 'http://127.0.0.1:9/sesame-4711'}]}]\n"
    )
    assert main(["notify", "test", "team", "--alertmanager-config", str(config)]) == 1
    assert "sesame" not in capsys.readouterr().out
    assert logs.redacted("no http://127.0.0.1:9/sesame-4711") == "no <secret>"
