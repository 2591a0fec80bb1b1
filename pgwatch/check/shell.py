"""Which files and scripts the commands of a runbook use, and which files they make. Pure.

Not a shell: where a word depends on a variable or another command, nothing is said about it.
"""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import PurePath

_BLANK = re.compile(r"<[A-Za-z][\w.-]*>")  # where a reader puts something in, and no redirection
_SUBSTITUTION = re.compile(r"\$\([^()]*\)|`[^`]*`")
_VARIABLE = re.compile(r"\$(?:\w+|\{[^}]*\})")
_HEREDOC = re.compile(r"<<-?\s*(['\"]?)(\w+)\1")
_ASSIGNMENT = re.compile(r"\w+=.*")
_ENDS = frozenset({"&&", "||", ";", "|", "&", "|&", "(", ")", ";;"})
_BEFORE = frozenset({"sudo", "time", "nohup", "exec", "then", "do", "else", "if", "!", "while"})
_RUNNERS = frozenset({"npx", "tsx", "bunx"})
_INTERPRETERS = frozenset(
    {"bash", "sh", "zsh", "dash", "node", "nodejs", "python", "python3", "ruby", "perl", "php"}
    | {"ts-node", "tsx", "Rscript"}
)
_PACKAGES = frozenset({"npm", "yarn", "pnpm"})
_RUN = frozenset({"run", "run-script"})
_SCRIPT = re.compile(r".*\.(?:sh|bash|py|js|mjs|cjs|ts|rb|pl|php|sql)")
_DUMPS = frozenset({"pg_dump", "pg_dumpall", "pg_basebackup"})
_COPIES = frozenset({"cp", "mv", "ln", "install", "rsync"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """A file that a command takes for granted, or a script of a package.json."""

    path: str  # of a package's script: its name
    line: int
    command: str
    folder: str = ""  # to which `cd` went before
    of_package: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """What the commands of a block do with files and SQL."""

    used: tuple[Used, ...]
    unlisted: tuple[Used, ...]  # plain SQL that pg_restore, which cannot read it, is given
    made: tuple[str, ...]  # paths, or patterns where a variable is part of the name
    sql: tuple[tuple[str, int], ...]  # what psql is given to run, each with its line


@dataclass(frozen=True, slots=True)
class _Command:
    words: tuple[str, ...]
    reads: tuple[str, ...]  # after <
    writes: tuple[str, ...]  # after >
    line: int
    text: str


def read_commands(text: str, *, line: int = 1) -> Commands:
    """Return what the commands of `text`, which begins at `line`, use, make and ask."""
    used: list[Used] = []
    unlisted: list[Used] = []
    made: list[str] = []
    sql: list[tuple[str, int]] = []
    folder: str | None = ""  # None: nobody knows where
    for command in _commands(text, line, sql):
        words = _stripped(command.words)
        made += [_pattern(path) for path in (*command.writes, *_made(words))]
        if not words:
            continue
        if words[0] == "cd":
            folder = _changed(folder, words)
            continue
        sql += [(one, command.line) for one in _sql(words)]
        unlisted += [
            Used(path=one, line=command.line, command=command.text)
            for one in words[1:]
            if words[0] == "pg_restore" and one.endswith(".sql")
        ]
        if folder is None:
            continue
        for path, of_package in (*_used(words), *_read_by_psql(words, command.reads)):
            if not _VARIABLE.search(path) and "*" not in path:
                used.append(
                    Used(
                        path=path,
                        line=command.line,
                        command=command.text,
                        folder=folder,
                        of_package=of_package,
                    )
                )
    return Commands(used=tuple(used), unlisted=tuple(unlisted), made=tuple(made), sql=tuple(sql))


def _changed(folder: str | None, words: Sequence[str]) -> str | None:
    if len(words) != 2 or folder is None or _VARIABLE.search(words[1]):
        return None
    new = PurePath(words[1])
    return None if words[1] in ("-", "~") or new.is_absolute() else str(PurePath(folder) / new)


def _commands(text: str, line: int, sql: list[tuple[str, int]]) -> Iterator[_Command]:
    """Iterate over the commands; the text of a here document for psql goes into `sql`."""
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        begun, logical = at, lines[at]
        at += 1
        words = _words(logical)
        while at < len(lines) and (words is None or logical.endswith("\\")):
            logical = logical.removesuffix("\\") + "\n" + lines[at]
            words = _words(logical)
            at += 1
        if words is None:
            continue
        found = list(_split(words, line + begun, " ".join(logical.split())))
        if heredoc := _HEREDOC.search(logical):
            body, after = _here(lines, at, heredoc[2])
            if any("psql" in command.words for command in found):
                sql.append((body, line + at))
            at = after
        yield from found


def _here(lines: Sequence[str], at: int, end: str) -> tuple[str, int]:
    for position in range(at, len(lines)):
        if lines[position].strip() == end:
            return "\n".join(lines[at:position]), position + 1
    return "\n".join(lines[at:]), len(lines)


def _words(line: str) -> list[str] | None:
    """Return the words and operators of a line, None where a quote is open."""
    lexer = shlex.shlex(
        _SUBSTITUTION.sub("*", _BLANK.sub("$_", line)), posix=True, punctuation_chars=True
    )
    lexer.whitespace_split = True
    try:
        return list(lexer)
    except ValueError:
        return None


def _split(words: Sequence[str], line: int, text: str) -> Iterator[_Command]:
    empty = _Command((), (), (), line, text)
    command, redirection = empty, ""
    for word in words:
        if word in _ENDS:
            yield command
            command, redirection = empty, ""
        elif word and set(word) <= set("<>&|"):
            redirection = word
        elif redirection:
            if redirection == "<":
                command = replace(command, reads=(*command.reads, word))
            elif ">" in redirection and not word.isdigit():
                command = replace(command, writes=(*command.writes, word))
            redirection = ""
        else:
            command = replace(command, words=(*command.words, word))
    yield command


def _stripped(words: Sequence[str]) -> tuple[str, ...]:
    """Return the words from the program's name on."""
    left = list(words)
    while left and (left[0] in _BEFORE or _ASSIGNMENT.fullmatch(left[0]) or left[0] == "$"):
        del left[0]
    if left and (left[0] in _RUNNERS or left[:2] == ["pnpm", "exec"]):
        own = 1 if left[0] in _RUNNERS and left[0] != "tsx" else 0 if left[0] == "tsx" else 2
        left = [word for word in left[own:] if word != "--yes"]
    return tuple(left)


def _used(words: Sequence[str]) -> Iterator[tuple[str, bool]]:
    program = words[0]
    if program in _PACKAGES:
        yield from ((name, True) for name in _package_scripts(words))
    elif program in _INTERPRETERS:
        first = next((word for word in words[1:] if word != "run"), "")
        if first.startswith("-"):  # -c, -e, -m: what follows is no file
            return
        if _SCRIPT.fullmatch(first) or first.startswith(("./", "../")):
            yield first, False
    elif program.startswith(("./", "../")) or (
        "/" in program and not program.startswith("/") and _SCRIPT.fullmatch(program)
    ):
        yield program, False


def _package_scripts(words: Sequence[str]) -> Iterator[str]:
    if any(word in ("--prefix", "-C", "--dir", "-w", "--workspace") for word in words):
        return  # of another package, somewhere else
    for before, name in pairwise(words):
        if before in _RUN and not name.startswith("-"):
            yield name
            return


def _read_by_psql(words: Sequence[str], reads: Sequence[str]) -> Iterator[tuple[str, bool]]:
    if words[0] == "psql":
        yield from ((path, False) for path in (*_values(words, "-f", "--file"), *reads))


def _sql(words: Sequence[str]) -> list[str]:
    return _values(words, "-c", "--command") if words[0] == "psql" else []


def _values(words: Sequence[str], short: str, long: str) -> list[str]:
    """Return the values of an option, in any of the ways to write it."""
    found = [value for option, value in pairwise(words) if option in (short, long)]
    found += [word.partition("=")[2] for word in words if word.startswith(f"{long}=")]
    return found + [
        word[2:] for word in words if word.startswith(short) and len(word) > 2 and word[1] != "-"
    ]


def _made(words: Sequence[str]) -> Iterator[str]:
    if not words:
        return
    if words[0] in _DUMPS:
        yield from _values(words, "-f", "--file")
    elif words[0] in _COPIES:
        yield words[-1]
    elif words[0] in ("tee", "touch"):
        yield from (word for word in words[1:] if not word.startswith("-"))
    for option, value in pairwise(words):
        if option in ("-o", "-O", "--output"):
            yield value


def _pattern(path: str) -> str:
    return _VARIABLE.sub("*", path)
