"""What looking at one backup brought. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class Form(StrEnum):
    """What wrote it, and how; with which program it is restored follows from this."""

    PLAIN = "plain SQL dump"  # psql
    CLUSTER = "plain SQL dump of all databases"  # psql
    CUSTOM = "custom-format dump"  # pg_restore
    DIRECTORY = "directory-format dump"  # pg_restore
    TAR = "tar-format dump"  # pg_restore
    BASE = "base backup"
    BASE_TAR = "base backup in tar files"
    UNKNOWN = "file of no known kind"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """One backup: what is wrong with it, what nobody could tell, and what it says of itself."""

    form: Form
    problems: tuple[str, ...] = ()  # it cannot be (wholly) restored
    untold: tuple[str, ...] = ()  # why it is not known to be whole
    cures: tuple[str, ...] = ()  # what would let it be told
    read: str = ""  # what was looked at: `head and end`
    database: str = ""  # "" where it does not say, or has all
    server_version: str = ""  # of the server that it was taken from; "" where it does not say
    system_identifier: int | None = None  # of a base backup's cluster
    bytes: int = 0
