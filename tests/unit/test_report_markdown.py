"""The Markdown report: a comment on GitHub, which nothing in it can break, spoil or make too long."""

import html
import re

import pytest
from markdown_it import MarkdownIt

from pgwatch.check.report.markdown import LIMIT, MARK, render
from pgwatch.check.verdict import Finding, Report, Verdict
from tests.reports import ALL, EMPTY, HEALTHY, HOSTILE, MANY, TROUBLED, check, report

GFM = MarkdownIt("gfm-like", {"linkify": False})


def html_of(text: str) -> str:
    return str(GFM.render(text))


def words_of(text: str) -> str:
    """What a reader sees: without tags, entities as what they stand for, spaces as one."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", html_of(text))).split())


def test_healthy_report_as_a_whole() -> None:
    assert render(HEALTHY) == (
        "<!-- pgwatch check -->\n## ✅ pgwatch: pass\n\n"
        "1 passed, 1 skipped in 0.25 s (exit 0)\n\n"
        "- roofing · database app · PostgreSQL 18.6 · primary\n"
        "\n<details><summary>✅ 1 passed</summary>\n\nDown\n\n</details>\n"
        "\n<details><summary>⏭️ 1 skipped</summary>\n\nCpu\n\n</details>\n"
    )


def test_troubled_report_says_what_where_and_the_cure() -> None:
    text = render(TROUBLED)
    assert text.startswith(f"{MARK}\n## ❌ pgwatch: fail\n")
    shown = words_of(text)
    assert "- other" not in shown
    assert r"other · database x : no route\x07 to host" in shown.replace("x:", "x :")
    assert "house_price: missing ( migrations/1 house/migration.sql:6 )" in shown
    assert "old: slow" in shown
    assert "```sql\n  CREATE INDEX house_price ON house (price);\n  ```" in text
    rows = re.findall(r"^\| (?!---|\| check).*$", text, re.MULTILINE)
    assert [row.count(" | ") for row in rows] == [4] * 5  # no name adds a column
    assert [re.split(r" \| ", row)[1] for row in rows] == [
        "migration_constraints", "Hostile", "Slots", "Bloat", "Slow",
    ]  # fmt: skip


def test_nothing_of_the_server_becomes_markup() -> None:
    finding = Finding(summary=HOSTILE, description=HOSTILE, fix=HOSTILE)
    text = render(report(check("a|b<i>", Verdict.FAIL, finding, reason=HOSTILE)))
    page = html_of(text)
    assert not re.search(r"<(b|i|em|strong|a)[ >](?!a\|b&lt;i)", page.replace("<b>a|b", ""))
    assert "`tick` _under_ *star* [x](http://x)" in words_of(text)
    assert not re.search(r"(?<!\w)@\w", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", text)


def test_a_fence_in_a_cure_does_not_end_the_block() -> None:
    text = render(report(check("A", Verdict.FAIL, Finding(summary="s", fix="```\n# no heading"))))
    assert "<h1>" not in html_of(text)


@pytest.mark.parametrize("one", ALL.values(), ids=ALL)
@pytest.mark.parametrize("limit", [LIMIT, 20_000])
def test_report_is_never_too_long_and_every_block_is_closed(one: Report, limit: int) -> None:
    text = render(one, limit=limit)
    assert len(text) <= limit
    assert text.count("<details>") == text.count("</details>")
    assert len(re.findall("^ *```", text, re.MULTILINE)) % 2 == 0


def test_what_is_cut_is_said() -> None:
    text = render(MANY)
    assert len(text) > LIMIT * 0.9
    shown = len(re.findall("^- finding", text, re.MULTILINE))
    more = [int(n) for n in re.findall(r"and (\d+) more findings", text)]
    left = re.search(r"the details of (\d+) checks with (\d+) findings", text)
    assert left is not None
    assert shown + sum(more) + int(left[2]) == 60 * 40
    assert "and 10 checks more" in text
    assert "Left out" not in render(TROUBLED)


def test_target_without_a_session() -> None:
    assert "- other · database x: refused\n" in render(EMPTY)
