"""`pgwatch config` as people run it."""

import json
import re
from pathlib import Path

import pytest
import yaml

from tests.gate import pgwatch


def test_init_then_check(tmp_path: Path) -> None:
    made = pgwatch("config", "init", "--dir", "etc/pgwatch", cwd=tmp_path)
    assert made.status == 0, made.err
    assert made.out == "etc/pgwatch/pgwatch.yml: written\netc/pgwatch/alertmanager.yml: written\n"
    checked = pgwatch("config", "check", "--config", "etc/pgwatch/pgwatch.yml", cwd=tmp_path)
    assert (checked.status, checked.err) == (0, "")
    assert re.fullmatch(
        r"etc/pgwatch/pgwatch\.yml: OK \(1 target, \d+ queries, \d+ rules\)\n", checked.out
    )


def test_both_samples_together(tmp_path: Path) -> None:
    pgwatch("config", "init", cwd=tmp_path)
    with (tmp_path / "pgwatch.yml").open("a") as file:
        file.write("alertmanager_config: alertmanager.yml\n")
    checked = pgwatch("config", "check", cwd=tmp_path)
    assert checked.status == 0, checked.err
    assert "receivers)" in checked.out


def test_init_never_overwrites(tmp_path: Path) -> None:
    (tmp_path / "pgwatch.yml").write_text("# mine\n")
    made = pgwatch("config", "init", cwd=tmp_path)
    assert made.status == 0
    assert "pgwatch.yml: exists already, left as it is\n" in made.out
    assert (tmp_path / "pgwatch.yml").read_text() == "# mine\n"


def test_init_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    made = pgwatch("config", "init", "--dir", "file/below", cwd=tmp_path)
    assert made.status == 1
    assert made.err.startswith("pgwatch: cannot write file/below")


def test_check_tells_every_mistake_with_status_2(tmp_path: Path) -> None:
    (tmp_path / "pgwatch.yml").write_text("retention: 5\nweb: {lisen: x}\n")
    checked = pgwatch("config", "check", cwd=tmp_path, env={"PGWATCH__RULES__BUILTIN": "maybe"})
    assert checked.status == 2
    assert checked.out == ""
    assert checked.err.splitlines() == [
        "environment: PGWATCH__RULES__BUILTIN: expected true or false, got 'maybe'",
        "pgwatch.yml:1:1: retention: a duration needs a unit: write 5s or 5ms",
        "pgwatch.yml:2:7: web.lisen: unknown key; did you mean listen?",
    ]


def test_check_as_json(tmp_path: Path) -> None:
    (tmp_path / "pgwatch.yml").write_text("targets: [{name: a}]")
    good = pgwatch("config", "check", "--json", cwd=tmp_path)
    found = json.loads(good.out)
    assert found.pop("queries") > 20
    assert found.pop("rules") > 20
    assert found == {
        "ok": True,
        "files": ["pgwatch.yml"],
        "targets": 1,
        "http_probes": 0,
        "receivers": 0,
        "ignored_findings": 0,
        "warnings": [],
    }
    (tmp_path / "pgwatch.yml").write_text("retention: 5")
    bad = pgwatch("config", "check", "--json", cwd=tmp_path)
    assert bad.status == 2
    (problem,) = json.loads(bad.out)["problems"]
    assert (problem["file"], problem["line"], problem["path"]) == ("pgwatch.yml", 1, "retention")


def test_check_reads_the_files_that_the_configuration_names(tmp_path: Path) -> None:
    (tmp_path / "sql" / "mine").mkdir(parents=True)
    (tmp_path / "sql" / "mine" / "broken.sql").write_text("SELECT 1")
    (tmp_path / "rules.yml").write_text("groups: [{name: g, rules: [{alert: A, expr: 'up =='}]}]\n")
    (tmp_path / "am.yml").write_text("route: {receiver: nobody}\nreceivers: []\n")
    (tmp_path / "pgwatch.yml").write_text(
        "queries: [sql]\nrules: {files: [rules.yml]}\nalertmanager_config: am.yml\n"
    )
    checked = pgwatch("config", "check", cwd=tmp_path)
    assert checked.status == 2
    assert "sql/mine/broken.sql" in checked.err
    assert "rules.yml:1" in checked.err
    assert "am.yml:1" in checked.err


def test_check_warns_of_rules_that_need_more_history(tmp_path: Path) -> None:
    day = "{alert: Day, expr: 'increase(m[24h]) > 0'}"
    (tmp_path / "rules.yml").write_text(f"groups:\n- name: g\n  rules:\n  - {day}\n")
    (tmp_path / "pgwatch.yml").write_text("rules: {files: [rules.yml]}\n")
    checked = pgwatch("config", "check", cwd=tmp_path)
    assert checked.status == 0
    assert "rules.yml:4: rule Day looks back 1d" in checked.err
    with (tmp_path / "pgwatch.yml").open("a") as file:
        file.write("retention: 24h\n")
    assert pgwatch("config", "check", cwd=tmp_path).err == ""


def test_check_of_nothing_is_no_success(tmp_path: Path) -> None:
    if Path("/etc/pgwatch/pgwatch.yml").exists():
        pytest.skip("this machine has a configuration of its own")
    checked = pgwatch("config", "check", cwd=tmp_path)
    assert checked.status == 2
    assert "pgwatch config init" in checked.err


def test_mistakes_of_both_files_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "am.yml").write_text(
        "route: {receiver: nobody}\nreceivers: [{nam: x}, {name: y}, {name: y}]"
    )
    (tmp_path / "pgwatch.yml").write_text("alertmanager_config: am.yml\nretentoin: 1h\n")
    checked = pgwatch("config", "check", cwd=tmp_path)
    assert checked.status == 2
    first, *others = checked.err.splitlines()
    assert first == "pgwatch.yml:2:1: retentoin: unknown key; did you mean retention?"
    assert [line.removeprefix(f"{tmp_path}/").partition(": ")[0] for line in others] == [
        "am.yml:2:14",
        "am.yml:2:35",
    ]

    (tmp_path / "am.yml").write_text("route: [")
    assert "am.yml" in pgwatch("config", "check", cwd=tmp_path).err
    (tmp_path / "am.yml").unlink()
    assert "there is no file" in pgwatch("config", "check", cwd=tmp_path).err


def test_show_prints_what_loads_again(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("sesame-4711\n")
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "b.yml").write_text("targets: [{name: b, dsn: 'host=b dbname=x'}]")
    (tmp_path / "pgwatch.yml").write_text(
        """
defaults: {labels: {env: "${STAGE}"}, password_file: pw}
targets:
  - name: a
    dsn: "postgresql://u@db1/app"
    host: {source: node_exporter, url: "http://h:9100/metrics?api_key=sesame-4710"}
http_probes:
  - {name: p, url: "http://h/?token=sesame-4712&x=1", headers: {X-One: "sesame-4713", X-Two: "${TOKEN}"}}
retention: 90m
state: here.db
ignore: [{check: A, until: 2027-01-01}]
"""
    )
    environment = {"STAGE": "production", "TOKEN": "sesame-4714", "PGWATCH__WEB__LISTEN": "h:1"}
    first = pgwatch("config", "show", cwd=tmp_path, env=environment)
    assert first.status == 0, first.err
    assert "sesame" not in first.out
    values = yaml.safe_load(first.out)
    assert [target["name"] for target in values["targets"]] == ["a", "b"]
    assert values["targets"][0]["dsn"] == "postgresql://u@db1:5432/app"
    assert values["targets"][1]["labels"] == {"env": "${STAGE}"}
    assert values["targets"][1]["password_file"] == str(tmp_path / "pw")
    assert values["http_probes"][0]["headers"] == {"X-One": "<secret>", "X-Two": "${TOKEN}"}
    assert values["web"]["listen"] == "h:1"
    assert values["retention"] == "1h30m"
    assert values["targets"][0]["packs"] == ["all"]
    # Not [], which would be none: what is in effect is the dsn's database, and any 2xx.
    assert "databases" not in values["targets"][0]
    assert "expect_status" not in values["http_probes"][0]

    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "pgwatch.yml").write_text(first.out)
    del environment["PGWATCH__WEB__LISTEN"]
    again = pgwatch("config", "show", cwd=tmp_path / "again", env=environment)
    assert again.status == 0, again.err
    assert yaml.safe_load(again.out) == values


def test_show_as_json(tmp_path: Path) -> None:
    (tmp_path / "pgwatch.yml").write_text("ignore: [{check: A, until: 2027-01-01}]")
    shown = pgwatch("config", "show", "--json", cwd=tmp_path)
    assert json.loads(shown.out)["ignore"] == [
        {"check": "A", "labels": {}, "until": "2027-01-01", "reason": ""}
    ]
