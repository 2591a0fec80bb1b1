"""What a runbook, in Markdown, promises: the objects and scripts that it takes for granted. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pgwatch.check.shell import Commands, Used, read_commands
from pgwatch.migration.mentioned import Mention, Mentions, Named, mentions
from pgwatch.migration.parse import UnparsableError
from pgwatch.migration.sqlfile import split_statements

_FENCE = re.compile(r"^\s*(?:[>*+-]\s+|\d+[.)]\s+)*(`{3,}|~{3,})\s*([\w+-]*)")
_SQL = frozenset({"sql", "pgsql", "postgresql", "postgres", "psql", "plpgsql"})
_SHELL = frozenset(
    {"sh", "bash", "shell", "zsh", "console", "shellsession", "shell-session", "terminal"}
)
_VERB = re.compile(
    r"\s*(?:select|refresh|analyze|reindex|vacuum|call|insert|update|delete|alter|drop|truncate|explain|with"
    r"|create)\s+\S",
    re.IGNORECASE,
)
_QUERY = re.compile(r"\s*(?:select|with|insert|update|delete)\b", re.IGNORECASE)
_FORMATTED = re.compile(r"\bpg_dump\b.*\s(?:-F\s?|--format[= ])[cdt]")  # what pg_restore reads
_COMMAND = re.compile(
    r"(?:psql|node|npm run|yarn run|pnpm run|npx|bash|sh|python3?|\./|\.\./)\b|\.{1,2}/"
)
_CODE = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)")
_PROMPT = re.compile(r"^\s*\w+[=-][#>]\s?")
_IDENTIFIER = re.compile(r"(?:([a-z_][a-z0-9_]*)\.)?([a-z_][a-z0-9_]*)(\(.*\))?")
_FILE = re.compile(r"\w+\.(?:html?|md|txt|js|ts|json|css|sql|ya?ml|toml|py|sh|log|csv|xml)")
_KINDS = {
    Named.RELATION: r"(?:materiali[sz]ed )?views?|tables?|index(?:es)?|indices|sequences?",
    Named.FUNCTION: r"(?:stored )?procedures?|functions?",
    Named.TRIGGER: r"triggers?",
    Named.CONSTRAINT: r"constraints?",
}
_SAID = {
    kind: (
        re.compile(rf"\b(?:{words}):?\s+$", re.IGNORECASE),
        re.compile(rf"\s(?:{words})\b", re.IGNORECASE),
    )
    for kind, words in _KINDS.items()
}  # the kind before the name, and after it
_AND = re.compile(r"\s*(?:,|,? ?and|,? ?or|&|/)\s*", re.IGNORECASE)
# A sentence that speaks of what is not, or not any more.
_ABSENT = re.compile(
    r"\b(?:drop\w*|remov\w*|delet\w*|no longer|obsolete|deprecated|not exist\w*|missing|never|instead of"
    r"|renamed?|former(?:ly)?|if you have)\b",
    re.IGNORECASE,
)
# Where a reader is to put in a value: <id>, {{id}}, ${ID}, $ID, %s, [id], :id.
_BLANK = re.compile(
    r"<[A-Za-z][\w .-]*>|\{\{.*?\}\}|\$\{\w+\}|\$[A-Za-z_]\w*|%s|(?<![\w:]):[a-z_]\w*\b"
)
# Names that stand for a name.
_STAND_IN = re.compile(
    r"(?:your|my|some|the|this|that|new|old)_.*|(?:table|view|index|schema|column|function|trigger"
    r"|constraint|matview|object|relation|db|database)_?(?:name)?(?:_?\d+)?|.*yyyy.*|x{2,}|foo|bar|baz"
    r"|example(?:_.*)?|placeholder|name|project_id",
    re.IGNORECASE,
)  # fmt: skip
_STAND_IN_PATH = re.compile(
    r"(?:^|/)path/to/|your|yyyy|xxx|example|[<>{}\[\]…]|\.\.\.|^/|^~|://", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """An object that the runbook names, where it does first."""

    mention: Mention
    lines: tuple[int, ...]
    text: str  # the statement or sentence


@dataclass(frozen=True, slots=True)
class Typed:
    """A statement that somebody is to run, with NULL where the reader puts in a value."""

    sql: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Runbook:
    """What a runbook takes for granted, and what it makes itself."""

    path: Path
    objects: tuple[Promise, ...]
    queries: tuple[Typed, ...]
    files: tuple[Used, ...]
    unlisted: tuple[Used, ...]  # plain SQL that pg_restore is to read
    made_objects: frozenset[Mention]
    made_files: frozenset[str]  # patterns
    unread: tuple[int, ...]  # lines of SQL that PostgreSQL's grammar does not know


def read_runbook(text: str, path: Path) -> Runbook:
    """Return what the Markdown `text` of the file `path` promises."""
    reader = _Reader(path, dumps_formatted=_FORMATTED.search(text) is not None)
    for line, language, block in _blocks(text):
        if language is None:
            reader.prose(block, line)
        elif language in _SQL:
            reader.sql(_PROMPT.sub("", block) if language == "psql" else block, line)
        elif language in _SHELL:
            reader.shell(_typed(block) if "console" in language or "session" in language
                         or re.search(r"^\s*\$ ", block, re.MULTILINE) else block, line)  # fmt: skip
        elif not language and _VERB.match(block):
            reader.sql(block, line, certain=False)
        elif not language and re.search(r"^\s*\$ ", block, re.MULTILINE):
            reader.shell(_typed(block), line)
    return reader.runbook()


def _blocks(text: str) -> Iterator[tuple[int, str | None, str]]:
    """Iterate over fenced blocks, and lines of prose (language None), each with the line it begins at."""
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        fence = _FENCE.match(lines[at])
        if fence is None:
            yield at + 1, None, lines[at]
            at += 1
            continue
        begun = at = at + 1
        end = re.compile(rf"^[\s>]*{fence[1][0]}{{{len(fence[1])},}}\s*$")
        while at < len(lines) and not end.match(lines[at]):
            at += 1
        yield begun + 1, fence[2].lower(), "\n".join(lines[begun:at])
        at += 1


def _typed(block: str) -> str:
    """Return what is typed at the prompts of a block; other lines are answers, and become empty."""
    lines, goes_on = [], False
    for line in block.splitlines():
        prompted = re.match(r"^\s*[\w@:~/-]*[$%] (.*)", line)
        typed = prompted[1] if prompted else line if goes_on else ""
        goes_on = typed.endswith("\\")
        lines.append(typed)
    return "\n".join(lines)


class _Reader:
    """Gathers what the parts of one runbook say."""

    def __init__(self, path: Path, *, dumps_formatted: bool) -> None:
        self._path = path
        self._dumps_formatted = dumps_formatted
        self._objects: dict[Mention, tuple[list[int], str]] = {}
        self._queries: dict[str, Typed] = {}
        self._files: dict[tuple[str, str], Used] = {}
        self._unlisted: list[Used] = []
        self._made: set[Mention] = set()
        self._made_files: set[str] = set()
        self._unread: list[int] = []

    def runbook(self) -> Runbook:
        return Runbook(
            path=self._path,
            objects=tuple(
                Promise(mention=mention, lines=tuple(dict.fromkeys(lines)), text=text)
                for mention, (lines, text) in self._objects.items()
            ),
            queries=tuple(self._queries.values()),
            files=tuple(self._files.values()),
            unlisted=tuple(self._unlisted),
            made_objects=frozenset(self._made),
            made_files=frozenset(self._made_files),
            unread=tuple(dict.fromkeys(self._unread)),
        )

    def sql(self, text: str, line: int, *, certain: bool = True) -> None:
        """Read statements; `certain` is that it is SQL, so that what cannot be read is worth a word."""
        for statement in split_statements(text, self._path):
            if statement.file != self._path:
                continue
            at = line + statement.line - 1
            if statement.opaque:
                if statement.text.startswith("\\i"):
                    self._file(
                        Used(
                            path=statement.text.split(maxsplit=1)[1],
                            line=at,
                            command=statement.text,
                        )
                    )
                continue
            readable = _readable(statement.text)
            if readable is not None:
                self._statement(readable, at, statement.text)
            elif certain and _VERB.match(statement.text) and not _BLANK.search(statement.text):
                self._unread.append(at)

    def shell(self, text: str, line: int) -> None:
        """Read commands."""
        self._commands(read_commands(text, line=line))

    def prose(self, text: str, line: int) -> None:
        """Read the code in a line of prose: SQL, commands, and names whose kind is said beside them."""
        kind: Named | None = None
        end = 0
        for code in _CODE.finditer(text):
            inside = code[2].strip()
            if _VERB.match(inside) and (readable := _readable(inside)) is not None:
                self._statement(readable, line, inside)
            elif _COMMAND.match(inside):
                self._commands(read_commands(inside, line=line))
            kind = _kind_beside(
                text, code, kind if _AND.fullmatch(text[end : code.start()]) else None
            )
            if kind is not None and not _ABSENT.search(text):
                self._of_prose(kind, inside, line, text)
            end = code.end()

    def _of_prose(self, kind: Named, name: str, line: int, text: str) -> None:
        found = _IDENTIFIER.fullmatch(name)
        if found is None or (found[3] and kind is not Named.FUNCTION) or _FILE.fullmatch(name):
            return
        self._named(
            Mentions(frozenset({Mention(kind, found[2], found[1] or "")}), frozenset()), line, text
        )

    def _statement(self, readable: str, line: int, text: str) -> None:
        self._named(mentions(readable), line, text)
        if _QUERY.match(readable):
            self._queries.setdefault(readable, Typed(readable, line))

    def _commands(self, commands: Commands) -> None:
        self._unlisted += () if self._dumps_formatted else commands.unlisted
        for one in commands.used:
            self._file(one)
        self._made_files.update(commands.made)
        for text, line in commands.sql:
            self.sql(text, line, certain=False)

    def _file(self, used: Used) -> None:
        if not _STAND_IN_PATH.search(used.path):
            self._files.setdefault((used.folder, used.path), used)

    def _named(self, found: Mentions, line: int, text: str) -> None:
        self._made |= found.made
        for mention in sorted(found.needed):
            if not _is_system(mention) and not _STAND_IN.fullmatch(mention.name):
                self._objects.setdefault(mention, ([], " ".join(text.split())))[0].append(line)


def _kind_beside(text: str, code: re.Match[str], carried: Named | None) -> Named | None:
    """Return the kind that the words beside a piece of code say: `the view x`, `the x view`."""
    for kind, (before, after) in _SAID.items():
        if before.search(text[: code.start()]) or after.match(text[code.end() :]):
            return kind
    return carried


def _readable(text: str) -> str | None:
    """Return SQL with NULL where the reader puts in a value; None if it cannot be read."""
    for attempt in (text, _BLANK.sub("NULL", text)):
        try:
            mentions(attempt)
        except UnparsableError:
            continue
        return attempt
    return None


def _is_system(mention: Mention) -> bool:
    schema = mention.schema.lower()
    return schema in ("information_schema", "pg_catalog", "pg_temp", "pg_toast") or (
        mention.name.startswith("pg_") and not schema
    )
