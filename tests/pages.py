"""The documentation as data: its pages, their links and their blocks of code."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.servers import ROOT

DOCS = ROOT / "docs"
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def id(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """Every page that a user reads."""
    top = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")]
    return [*top, *sorted(DOCS.rglob("*.md"))]


def guides() -> list[Path]:
    """The pages whose examples a user copies: all but the decisions."""
    return [page for page in pages() if page.parent.name != "decisions"]


def blocks(page: Path, language: str = "") -> list[Block]:
    """The blocks of `page`, of `language` where it is named."""
    text = page.read_text("utf-8")
    return [
        Block(
            page=page,
            line=text.count("\n", 0, match.start()) + 1,
            language=match[1],
            text=match[2],
        )
        for match in _FENCE.finditer(text)
        if not language or match[1] == language
    ]


def block(name: str, language: str, containing: str = "") -> str:
    """The text of the first block of `docs/<name>` in `language` that contains a text."""
    return next(b.text for b in blocks(DOCS / name, language) if containing in b.text)


def links(page: Path) -> list[str]:
    """What the links of `page` lead to, code left out."""
    return _LINK.findall(_FENCE.sub("", page.read_text("utf-8")))


def anchors(page: Path) -> set[str]:
    """The fragments that the headings of `page` give, as GitHub makes them."""
    headings = _HEADING.findall(_FENCE.sub("", page.read_text("utf-8")))
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in kept}


def commands(block: Block) -> Iterator[list[str]]:
    """The arguments of each `$ pgwatch …` in a console block, comments left out."""
    for line in block.text.splitlines():
        if line.startswith("$ pgwatch"):
            yield shlex.split(line.removeprefix("$ pgwatch"), comments=True)


def answer(name: str, command: str, number: int = 0) -> str:
    """What `docs/<name>` says that `command` prints, the `number`th time that it stands there."""
    found = []
    for block in blocks(DOCS / name, "console"):
        for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            typed, _, said = part.partition("\n")
            if typed == command:
                found.append(said)
    return found[number]
