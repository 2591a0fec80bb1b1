"""What is predicted of a statement. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Trouble(StrEnum):
    """What is predicted of a statement."""

    WILL_FAIL = "will_fail"
    VIOLATING_ROWS = "violating_rows"  # it will fail, because of rows that are there
    UNVERIFIABLE = "unverifiable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """A statement that will fail, or of which that cannot be told."""

    migration: str
    file: Path
    line: int  # of its first token, from 1
    sql: str
    trouble: Trouble
    reason: str
    sqlstate: str = ""  # what the server raises; "" where that is not known
    harmless: bool = False  # what it wants is there already
    examples: tuple[str, ...] = ()  # rows in the way
    kind: str = ""  # of what it is about: table, index …
    object: str = ""
