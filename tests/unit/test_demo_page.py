"""The inbox page shows messages as Slack and a mail program would, and nothing that arrived is markup."""

from datetime import UTC, datetime
from email.message import EmailMessage
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgwatch.demo.mrkdwn import mrkdwn_to_html
from pgwatch.demo.page import inbox_page
from pgwatch.demo.received import Email, Message, SlackMessage, WebhookMessage

AT = datetime(2026, 11, 22, 13, 5, 9, tzinfo=UTC)
ATTACK = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
TAGS = {"strong", "em", "del", "code", "pre", "blockquote", "br", "a", "b"}


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("plain", "plain"),
        ("*bold* _italic_ ~gone~", "<strong>bold</strong> <em>italic</em> <del>gone</del>"),
        ("2 * 3 * 4, a_b_c", "2 * 3 * 4, a_b_c"),  # not emphasis
        ("*two words*\nnext", "<strong>two words</strong><br>next"),
        ("`SELECT *x*`", "<code>SELECT *x*</code>"),  # nothing is formatted inside code
        ("```\nSELECT 1;\nSELECT 2;\n```", "<pre>SELECT 1;\nSELECT 2;</pre>"),
        (
            "<https://a.example/?x=1&amp;y=2|the page>",
            '<a href="https://a.example/?x=1&amp;y=2" rel="noreferrer">the page</a>',
        ),
        (
            "<https://a.example>",
            '<a href="https://a.example" rel="noreferrer">https://a.example</a>',
        ),
        (
            "*<https://a.example|x>*",
            '<strong><a href="https://a.example" rel="noreferrer">x</a></strong>',
        ),
        ("<javascript:alert(1)|x>", "&lt;javascript:alert(1)|x&gt;"),  # no other scheme is a link
        ("<!here> <!date^1^{date}|noon>", "<b>@here</b> noon"),
        ("a &lt; b &amp;&amp; c", "a &lt; b &amp;&amp; c"),  # escaped once, not twice
        ("a < b & c", "a &lt; b &amp; c"),  # a sender that forgot to escape
        ("&gt; quoted\nnot", "<blockquote>quoted</blockquote>not"),
        (":rotating_light: :no_such_one: 12:30:45", "🚨 :no_such_one: 12:30:45"),
        ("<script>x</script>", "&lt;script&gt;x&lt;/script&gt;"),
        ("a\x00" + "0\x00b `c`", "a0b <code>c</code>"),  # our own place mark in the text
    ],
)
def test_mrkdwn(text: str, html: str) -> None:
    assert mrkdwn_to_html(text) == html


class Tags(HTMLParser):
    """Collects the tags of a page and the attributes that could act."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.active: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.active += [name for name, _ in attrs if name.startswith("on") or name == "src"]
        links = [value or "" for name, value in attrs if name == "href"]
        self.active += [link for link in links if not link.startswith(("http", "mailto:"))]


def tags_of(html: str) -> Tags:
    parser = Tags()
    parser.feed(html)
    return parser


@given(st.text(alphabet="<>&|`*_~:!@#\n\x000a/\"' hx.", max_size=60))
def test_mrkdwn_of_any_text_has_only_tags_of_ours(text: str) -> None:
    found = tags_of(mrkdwn_to_html(text))
    assert set(found.tags) <= TAGS
    assert not found.active


def slack(**payload: Any) -> SlackMessage:
    return SlackMessage(at=AT, payload=payload)


def email(subject: str, body: str, **headers: str) -> Email:
    message = EmailMessage()
    message["Subject"] = subject
    message["From"] = "pgwatch@roofing.example"
    message["To"] = "dba@roofing.example"
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(body)
    return Email(at=AT, message=message)


def test_slack_message_shows_blocks_and_the_colour_of_its_attachment() -> None:
    page = inbox_page(
        [
            slack(
                channel="#alerts",
                text="the text of the phone's notification",
                attachments=[
                    {
                        "color": "#e01e5a",
                        "blocks": [
                            {
                                "type": "header",
                                "text": {"type": "plain_text", "text": "Blocked *session*"},
                            },
                            {
                                "type": "section",
                                "text": {"type": "mrkdwn", "text": "*waits* `12s`"},
                            },
                            {
                                "type": "section",
                                "fields": [{"type": "mrkdwn", "text": "*Target*\nroofing"}],
                            },
                            {"type": "divider"},
                            {
                                "type": "context",
                                "elements": [{"type": "mrkdwn", "text": "since 13:05"}],
                            },
                            {
                                "type": "actions",
                                "elements": [
                                    {
                                        "type": "button",
                                        "text": {"type": "plain_text", "text": "Silence"},
                                        "url": "http://127.0.0.1:9432/",
                                    }
                                ],
                            },
                            {"type": "from the future", "x": ATTACK},
                        ],
                    }
                ],
            )
        ]
    )
    for part in (
        'style="border-color: #e01e5a"',
        '<div class="header">Blocked *session*</div>',  # plain_text is not mrkdwn
        "<strong>waits</strong> <code>12s</code>",
        "<strong>Target</strong><br>roofing",
        '<div class="context">since 13:05</div>',
        '<a href="http://127.0.0.1:9432/" rel="noreferrer">Silence</a>',
        "#alerts",
        "from the future",
        "<time>13:05:09</time>",
    ):
        assert part in page


def test_attachment_without_blocks_shows_title_text_and_fields() -> None:
    page = inbox_page(
        [
            slack(
                attachments=[
                    {
                        "color": "danger",
                        "title": "[FIRING:1] PostgresDown",
                        "title_link": "http://127.0.0.1/",
                        "text": "*down*",
                        "fields": [{"title": "severity", "value": "critical"}],
                        "footer": "pgwatch",
                    }
                ]
            )
        ]
    )
    for part in (
        "border-color: #e01e5a",
        '<a href="http://127.0.0.1/" rel="noreferrer">[FIRING:1] PostgresDown</a>',
        "<strong>down</strong>",
        "<b>severity</b><br>critical",
    ):
        assert part in page


def test_emails_of_a_thread_stand_together_newest_first() -> None:
    page = inbox_page(
        [
            email("[RESOLVED] down", "it is over", References="<root@pgwatch>"),
            email("another matter", "see https://runbook.example/x.", Message_ID="<other@pgwatch>"),
            email("[FIRING] down", "it is down", References="<root@pgwatch>"),
        ]
    )
    assert page.count('<article class="mail">') == 2
    places = [page.index(text) for text in ("it is over", "it is down", "another matter")]
    assert places == sorted(places)
    assert 'href="https://runbook.example/x"' in page
    assert "dba@roofing.example" in page
    assert page.count("[RESOLVED] down") == 1  # the heading speaks for the newest
    assert page.count("[FIRING] down") == 1


def test_nothing_that_arrived_becomes_markup() -> None:
    texts = [{"type": kind, "text": ATTACK} for kind in ("mrkdwn", "plain_text")]
    blocks = [
        {"type": kind, "text": text, "elements": [text], "fields": [text]}
        for kind in ("header", "section", "context", "actions", ATTACK)
        for text in texts
    ]
    button = {"type": "button", "text": {"text": ATTACK}, "url": "javascript:alert(1)"}
    attachments = [
        {"color": f"red{ATTACK}", "title": ATTACK, "title_link": f"http://x{ATTACK}"},
        {"text": ATTACK, "footer": ATTACK, "fields": [{"title": ATTACK, "value": ATTACK}]},
    ]
    alerts = [{"annotations": {"summary": ATTACK}}, {}]
    messages: list[Message] = [
        slack(
            username=ATTACK,
            text=ATTACK,
            blocks=[*blocks, {"type": "actions", "elements": [button]}],
        ),
        slack(attachments=attachments),
        email(ATTACK, ATTACK, Reply_To=ATTACK),
        WebhookMessage(at=AT, payload={"status": ATTACK, "receiver": ATTACK, "alerts": alerts}),
    ]
    found = tags_of(inbox_page(messages))
    assert not {"script", "img"} & set(found.tags)
    assert not found.active


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"text": None, "blocks": "x", "attachments": {"a": 1}},
        {"blocks": [None, 1, {}, {"type": "section"}, {"type": "context", "elements": [None]}]},
        {"attachments": [{"fields": [{}], "blocks": [{"type": "header", "text": "x"}]}]},
    ],
    ids=["empty", "wrong types", "odd blocks", "odd attachments"],
)
def test_odd_payload_is_shown_without_an_error(payload: dict[str, Any]) -> None:
    assert '<article class="slack">' in inbox_page([SlackMessage(at=AT, payload=payload)])
    assert "<details>" in inbox_page([WebhookMessage(at=AT, payload=payload)])


def test_empty_inbox_says_so_and_asks_again() -> None:
    page = inbox_page([])
    assert page.count("nothing yet") == 2
    assert 'http-equiv="refresh"' in page
    assert "://" not in page  # nothing is loaded from elsewhere
